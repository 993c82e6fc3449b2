"""The seconds of a step's parts are the seconds of the step."""

from __future__ import annotations

import pytest

from tests.trainyard_trainer.clock import Clock
from trainyard_trainer.reporting import stopwatch
from trainyard_trainer.reporting.stopwatch import Stopwatch


def test_each_part_is_the_time_since_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no part has is in the whole alone."""
    clock = Clock()
    monkeypatch.setattr(stopwatch, "perf_counter", clock.monotonic)
    watch = Stopwatch()
    clock.sleep(2.0)
    watch.lap("rollout")
    clock.sleep(3.0)
    watch.lap("update")
    clock.sleep(0.5)
    assert watch.seconds() == {"rollout": 2.0, "update": 3.0, "step": 5.5}
