"""Work for benchmarks that takes moments: a tiny model's, with rows of different lengths."""

from __future__ import annotations

from hack.bench.workloads import Workload, make_workload

LENGTHS = (1, 5, 3, 2)
STEP = Workload("tiny", "tiny", make_workload("tiny", prompts=2, group=4).prompts, (2, 6, 3, 4, 1, 5, 2, 3))
"""Two groups of four."""


def pairs(*, greedy: bool = False) -> Workload:
    """Two groups of two, none as long as another."""
    return Workload("tiny", "tiny", make_workload("tiny", prompts=2, group=2).prompts, LENGTHS, greedy)
