"""Progress for a person."""

from __future__ import annotations

import io

from rich.console import Console

from trainyard_api.progress import (
    Measurement,
    Progress,
    ReportedEvaluation,
    ReportedValidation,
    Verdict,
)
from trainyard_trainer.reporting.console import ConsoleReporter, describe
from trainyard_trainer.sinks import SavedCheckpoint

STEP = Progress(
    phase="update", step=31, steps="31/60", percent=51, reward="0.84", loss="-0.01",
    tokens_per_second=12000, estimated_remaining_seconds=10,
)  # fmt: skip


def reporter(*, terminal: bool) -> tuple[ConsoleReporter, io.StringIO]:
    """A reporter and what it writes to."""
    written = io.StringIO()
    return ConsoleReporter(Console(file=written, force_terminal=terminal, width=120), "calculator-grpo"), written


def test_a_line_says_step_reward_speed_and_the_rest() -> None:
    """A run that goes on doesn't know its speed yet."""
    assert describe(STEP) == "step 31/60  reward 0.84  12000 tokens/s  10 s left"
    assert describe(Progress(phase="rollout", step=31, steps="31/60", percent=51)) == "step 31/60"


def test_a_line_says_what_was_measured_and_what_follows() -> None:
    """On validation queries and on test queries, once it is known."""
    before, after = Measurement(success_rate="0.2"), Measurement(success_rate="0.9")
    known = ReportedEvaluation(questions=9, before=before)
    assert describe(Progress(phase="loading", evaluation=known)) == "loading  held-out success 0.2 before"
    whole = known.model_copy(update={"after": after, "verdict": Verdict.IMPROVED})
    validation = ReportedValidation(step=30, success_rate="0.7", best_step=20, best_success_rate="0.8")
    assert describe(Progress(phase="done", evaluation=whole, validation=validation)) == (
        "done  validation 0.7, best 0.8 after step 20  held-out success 0.2 before  0.9 after  Improved"
    )


def test_elsewhere_than_on_a_terminal_lines_are_plain_and_few() -> None:
    """No control characters; what comes too fast is left out, unless it is asked for at once."""
    shown, written = reporter(terminal=False)
    with shown:
        shown.report(STEP)
        shown.report(STEP.model_copy(update={"reward": "0.85"}))
        shown.report(STEP.model_copy(update={"reward": "0.86"}), at_once=True)
        shown.checkpoint(SavedCheckpoint(31, "file:///tmp/[x]/", "", 0, {}, None))
    lines = written.getvalue().splitlines()
    assert [line.split("  ")[1:2] for line in lines[:2]] == [["reward 0.84"], ["reward 0.86"]]
    assert lines[2:] == ["checkpoint of step 31: file:///tmp/[x]/"]
    assert "\x1b" not in written.getvalue()


def test_on_a_terminal_there_is_a_bar() -> None:
    """With the job's name and the same words."""
    shown, written = reporter(terminal=True)
    with shown:
        shown.report(STEP)
    assert "\x1b[" in written.getvalue()
    assert "calculator-grpo" in written.getvalue()
    assert "step 31/60" in written.getvalue()
