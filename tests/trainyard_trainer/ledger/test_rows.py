"""Claims about trajectories as rows, without a database."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.trainyard_trainer.trajectories import trajectory
from trainyard_trainer.ledger.rows import STEP_TABLES, answer_rows, measurements_and_timings, rows
from trainyard_trainer.sinks import StepMetrics


def test_every_row_of_a_trajectory_carries_its_key() -> None:
    """Run, step, prompt and sample lead from a turn to its trajectory."""
    one = trajectory(1.0, sample=3)
    made = {name: list(content) for name, content in rows("run-1", 2, 5, [one]).items()}
    assert list(made) == [table.name for table in STEP_TABLES]
    assert (len(made["trajectories"]), len(made["segments"]), len(made["turns"])) == (
        1,
        len(one.segments),
        len(one.turns),
    )
    keys = [(row.run_uid, row.step, row.prompt, row.sample) for content in made.values() for row in content]
    assert all(first == second for first, second in pairwise(keys))
    assert keys[0] == ("run-1", one.id.step, one.id.prompt, 3)
    assert (made["trajectories"][0].attempt, made["trajectories"][0].trained_step) == (2, 5)


def test_what_json_and_postgres_lack_is_null() -> None:
    """A reward that is no number, and the log-probability of a token that nobody sampled."""
    odd = replace(trajectory(1.0), rewards={"exact": math.nan}, total_reward=math.inf, answer="a\x00b")
    made = rows("run-1", 1, 0, [odd])
    (row,) = made["trajectories"]
    assert (row.rewards, row.total_reward, row.answer) == ({"exact": None}, None, "a\ufffdb")
    for segment in made["segments"]:
        assert [value is None for value in segment.logprobs] == [not sampled for sampled in segment.mask]


def test_an_answer_s_question_is_its_prompt() -> None:
    """Its number is the same in every evaluation."""
    (row,) = answer_rows("run-1", "evaluation", 9, [trajectory(1.0, sample=2)])
    assert (row.kind, row.step, row.question, row.sample) == ("evaluation", 9, trajectory(1.0).id.prompt, 2)


def test_what_depends_on_the_clock_lies_apart() -> None:
    """By the end of its name; a value that doesn't exist must be absent."""
    values = {"loss": 1.0, "step_seconds": 2.0, "tokens_per_second": 3.0}
    assert measurements_and_timings(StepMetrics("step", 0, 0, values)) == (
        {"loss": 1.0},
        {"step_seconds": 2.0, "tokens_per_second": 3.0},
    )
    with pytest.raises(ValueError, match="metric loss: a measurement without a value must be absent; got nan"):
        measurements_and_timings(StepMetrics("step", 0, 0, {"loss": math.nan}))
