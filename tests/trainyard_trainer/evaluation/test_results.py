"""Measurements of answers: what counts, what is left out, what is absent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from trainyard_trainer.evaluation.results import evaluation_values, outcomes
from trainyard_trainer.evaluation.significance import Outcome, compare
from trainyard_trainer.trajectory import CallOutcome, Role, Trajectory, TrajectoryId, TrajectoryStatus, Turn

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def turns(*called: Sequence[bool]) -> tuple[Turn, ...]:
    """A prompt, then policy turns, each with its calls' outcomes and, after a call, the tool's turn."""
    said = [Turn(0, 0, 1, Role.PROMPT, "Q", NOW, 0.0)]
    for oks in called:
        calls = tuple(CallOutcome("f()", "R", ok) for ok in oks)
        said.append(Turn(0, 1, 2, Role.POLICY, "A", NOW, 0.1, calls=calls))
        if calls:
            said.append(Turn(0, 2, 3, Role.TOOL, "R", NOW, 0.0, tool_result="R"))
    return tuple(said)


def answer(
    query: str, success: bool | None, reward: float | None, *called: Sequence[bool], **changes: object
) -> Trajectory:
    """A finished, scored answer to a query."""
    members = {"status": TrajectoryStatus.OK, "success": success, "total_reward": reward, "turns": turns(*called)}
    fixed = {"group": "0/0", "task": "t", "expected": "1", "segments": (), "started_at": NOW, "duration_seconds": 0.1}
    return Trajectory(id=TrajectoryId("r", 0, 0, 0), question=query, **(fixed | members | changes))


ANSWERS = [
    answer("a", True, 1.0, [True], []),
    answer("a", False, 0.25, [False, True, True], [False], []),
    answer("b", False, 0.0, [], status=TrajectoryStatus.TRUNCATED),
    answer("b", True, None, [True], [True], [True], status=TrajectoryStatus.FAILED_REWARD),
    answer("c", None, None, [], status=TrajectoryStatus.FAILED_ENVIRONMENT),
    answer("c", False, None, [], status=TrajectoryStatus.CANCELLED),
]


def test_failed_answers_are_counted_and_left_out() -> None:
    """Rates and means are of the three that were measured, a truncated one among them; policy turns are the steps.

    Tool accuracy is over calls: three of five, while of three turns with calls only one went wholly well.
    """
    values = evaluation_values(ANSWERS)
    assert values == {
        "answers": 6,
        "failed": 3,
        "success_rate": pytest.approx(1 / 3),
        "avg_reward": pytest.approx(1.25 / 3),
        "avg_steps": pytest.approx(6 / 3),
        "tool_accuracy": pytest.approx(3 / 5),
    }


def test_steps_are_turns_of_the_policy_alone() -> None:
    """Whatever was said to it before, and whatever tools answered."""
    assert evaluation_values([answer("a", True, 1.0, [], [])])["avg_steps"] == 2
    assert evaluation_values([answer("a", True, 1.0, [True], [True])])["avg_steps"] == 2


def test_what_does_not_exist_is_absent() -> None:
    """Tool accuracy without calls, rewards without scores, everything where all failed or nothing was asked."""
    assert "tool_accuracy" not in evaluation_values([answer("a", True, 1.0, [])])
    assert "avg_reward" not in evaluation_values([answer("a", True, None, [])])
    assert evaluation_values(ANSWERS[3:]) == {"answers": 3, "failed": 3}
    assert evaluation_values([]) == {"answers": 0, "failed": 0}


def test_outcomes_are_by_query() -> None:
    """In the order of queries, without failed answers; a comparison leaves out a query that only failed."""
    found = outcomes(ANSWERS)
    assert found == [Outcome("a", (1, 0)), Outcome("b", (0,)), Outcome("c", ())]
    after = outcomes([answer(query, True, 1.0, []) for query in "abc"])
    comparison = compare(found, after)
    assert comparison.difference == pytest.approx(0.75)
