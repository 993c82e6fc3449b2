"""Runs of manifests that are made in a test, in this process on one thread, and what their files say afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.trainyard_trainer.stopping import Stop
from trainyard_api.manifest import check_manifest
from trainyard_trainer.local.local_run import run_here
from trainyard_trainer.rollouts.in_process import SynchronousRollouts
from trainyard_trainer.trajectory import Role, Trajectory

EXAMPLES = Path(__file__).parents[2] / "crds" / "examples"


@dataclass(frozen=True)
class LearningRun:
    """The metrics of each training step, in their order."""

    steps: list[Mapping[str, float]]

    def success(self, first: int, last: int) -> float:
        """Mean share of right answers over steps `first` to `last`, both included."""
        values = [step.get("success_rate", 0.0) for step in self.steps[first : last + 1]]
        return sum(values) / len(values)


def run_manifest(
    output: Path,
    name: str,
    *,
    model: Mapping[str, Any],
    algorithm: Mapping[str, Any],
    task: Mapping[str, Any],
    rewards: Sequence[Mapping[str, str]] = ({"name": "exact"},),
) -> LearningRun:
    """Run a TrainingJob below `output`.

    Args:
        output: folder of checkpoints and metrics; a job's model may be the checkpoint of another one there.
        name: the job's; the same name may be run again.
        model: `spec.model`.
        algorithm: `spec.algorithm`.
        task: `spec.task` without its rewards.
        rewards: its rewards.
    """
    storage = {"bucket": "no-bucket", "endpoint": "http://localhost:1", "secretRef": {"name": "none"}}
    body = {
        "apiVersion": "trainyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name, "namespace": "team-a"},
        "spec": {
            "model": dict(model),
            "algorithm": dict(algorithm),
            "task": {**task, "rewards": list(rewards)},
            "database": {"secretRef": {"name": "none"}},
            "budget": {"maxCostUSD": "1"},
            "checkpoints": {"everySteps": 100_000, "storage": {"s3": storage}},
        },
    }
    known = set(output.glob(f"team-a/{name}/*"))
    run_here(check_manifest(body), output / f"{name}.yaml", output, Stop())
    (folder,) = set(output.glob(f"team-a/{name}/*")) - known
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return LearningRun([one["values"] for one in metrics if one["kind"] == "step"])


class Unmasked(SynchronousRollouts):
    """Rollouts whose tool tokens are trained as if the policy had sampled them."""

    def rollout(self, *arguments: Any) -> Iterator[Trajectory]:
        for trajectory in super().rollout(*arguments):
            (segment,) = trajectory.segments
            mask = list(segment.mask)
            for turn in trajectory.turns:
                if turn.role is Role.TOOL:
                    mask[turn.start : turn.end] = [True] * (turn.end - turn.start)
            yield replace(trajectory, segments=(replace(segment, mask=tuple(mask)),))
