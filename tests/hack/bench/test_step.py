"""Both sides of the step's benchmark do one whole step."""

from __future__ import annotations

import pytest

from hack.bench.own_step import OwnStep
from hack.bench.rounds import Rounds
from hack.bench.step import OURS, UnequalWorkError, explained, measure, rows
from hack.bench.trl_step import COMPLETIONS, PLAIN, SHIPPED, WAYS
from tests.hack.bench.small import STEP


def test_a_round_has_a_step_of_each_way_and_one_of_ours() -> None:
    """The same tokens in all of them, of which each takes some time to sample and some to learn."""
    measured = measure(STEP, 1, "cpu", 4)
    names = [*WAYS, OURS]
    assert [row[0] for row in rows(measured)] == names
    for part in ("rollout", "update", "step"):
        assert all(measured[part].median(name) > 0 for name in names)


def test_other_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that sampled less would win."""

    class Lazy(OwnStep):
        def run(self, now: object) -> dict[str, float]:  # noqa: ARG002 (it doesn't even look)
            return {"rollout": 1.0, "update": 1.0, "tokens": 1}

    monkeypatch.setattr("hack.bench.step.OwnStep", Lazy)
    with pytest.raises(UnequalWorkError, match="ours: sampled 1 tokens"):
        measure(STEP, 1, "cpu", 4)


def test_what_is_saved_is_told_by_where() -> None:
    """Of 7 s: 3 in the rollout; 2 and 1 that TRL's fallback costs; 1 in the rest of the update."""
    rollout = Rounds({SHIPPED: [5.0], COMPLETIONS: [5.0], PLAIN: [5.0], OURS: [2.0]})
    update = Rounds({SHIPPED: [6.0], COMPLETIONS: [4.0], PLAIN: [3.0], OURS: [2.0]})
    step = Rounds({SHIPPED: [11.0], COMPLETIONS: [9.0], PLAIN: [8.0], OURS: [4.0]})
    told = explained({"rollout": rollout, "update": update, "step": step})
    assert told.startswith("Ours saves 7.00 s of a step: 3.00 s in the rollout, 2.00 s because")
    assert "1.00 s because of its tiles" in told
    assert told.endswith("Against TRL without its CPU fallback it is 2.00 x as fast.")
