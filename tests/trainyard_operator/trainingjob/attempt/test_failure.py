"""Claims about the table of endings."""

from __future__ import annotations

import itertools

import pytest

from trainyard_api.conditions import Reason
from trainyard_api.termination import ExitCode, TerminationReason
from trainyard_operator.trainingjob.attempt.failure import TABLE, Finality, Sign, classify, rows

NO, YES, BEFORE = Finality.NO, Finality.YES, Finality.BEFORE_START


@pytest.mark.parametrize(
    ("seen", "asked", "expected"),
    [
        ((0, set()), False, (Reason.COMPLETED, NO, False)),
        ((0, {Sign.EARLY_STOPPED}), True, (Reason.EARLY_STOPPED, NO, False)),
        ((0, {Sign.RESULT_MISSING}), False, (Reason.RESULT_MISSING, NO, True)),
        ((20, set()), False, (None, YES, False)),
        ((20, {Sign.UNKNOWN_WORD}), True, (Reason.TRAINER_CRASHED, YES, False)),
        ((137, {Sign.OUT_OF_MEMORY}), False, (Reason.OUT_OF_MEMORY, NO, True)),
        ((137, {Sign.OUT_OF_MEMORY}), True, (Reason.STOPPED_UNSAVED, NO, False)),
        ((10, set()), True, (TerminationReason.STOPPED, NO, False)),
        ((10, {Sign.UNSAVED}), True, (Reason.STOPPED_UNSAVED, NO, False)),
        ((10, {Sign.UNSAVED}), False, (Reason.INTERRUPTED, NO, False)),
        ((10, {Sign.DISRUPTED}), True, (TerminationReason.STOPPED, NO, False)),
        ((10, set()), False, (Reason.INTERRUPTED, NO, False)),
        ((143, {Sign.DELETED}), False, (Reason.INTERRUPTED, NO, False)),
        ((10, {Sign.DISRUPTED}), False, (Reason.DISRUPTED, NO, False)),
        ((137, {Sign.DISRUPTED, Sign.DELETED}), False, (Reason.DISRUPTED, NO, False)),
        ((10, {Sign.JOB_DEADLINE, Sign.DELETED}), False, (Reason.DEADLINE_EXCEEDED, NO, False)),
        ((None, {Sign.OWN_EXCESS, Sign.DISRUPTED}), False, (Reason.STORAGE_EXCEEDED, NO, True)),
        ((None, {Sign.REJECTED}), False, (Reason.REJECTED, NO, False)),
        ((1, set()), False, (Reason.TRAINER_CRASHED, NO, True)),
        ((1, set()), True, (Reason.STOPPED_UNSAVED, NO, False)),
        ((None, {Sign.GONE}), False, (Reason.POD_LOST, NO, True)),
        ((None, {Sign.IMAGE_WAITING}), False, (Reason.IMAGE_UNAVAILABLE, BEFORE, True)),
        ((None, {Sign.SECRET_WAITING}), False, (Reason.SECRET_UNAVAILABLE, BEFORE, True)),
        ((None, {Sign.NOT_STARTED}), False, (Reason.START_DEADLINE_EXCEEDED, BEFORE, True)),
        ((None, set()), False, (Reason.TRAINER_CRASHED, NO, True)),
    ],
)
def test_an_ending_has_one_reason(
    seen: tuple[int | None, set[Sign]], asked: bool, expected: tuple[str | None, Finality, bool]
) -> None:
    """Interruptions and asked stops don't count, the user's mistakes are final, the rest counts."""
    exit_code, signs = seen
    row = classify(exit_code, frozenset(signs), stop_asked=asked)
    assert (row.reason, row.final, row.counts) == expected


def test_everything_that_can_be_seen_has_a_row() -> None:
    """Any exit code with any two signs, asked or not; only exit 0 can be a success, and only exit 20 is final ever."""
    pairs = [frozenset(pair) for size in range(3) for pair in itertools.combinations(Sign, size)]
    for code, signs, asked in itertools.product([None, 0, 1, 10, 20, 137, 255], pairs, [True, False]):
        row = classify(code, signs, stop_asked=asked)
        assert row.success <= (code == ExitCode.DONE)
        assert (row.final is YES) == (code == ExitCode.REFUSED)
        if asked and code not in {ExitCode.DONE, ExitCode.REFUSED}:
            assert not row.counts


def test_every_row_can_be_reached() -> None:
    """No row is hidden behind an earlier one."""
    for row in TABLE:
        signs = frozenset({row.sign} if row.sign else ())
        code = row.exit_code if row.exit_code is not None else None if row.sign else 1
        assert classify(code, signs, stop_asked=bool(row.stop_asked)) is row


def test_the_table_renders_as_text() -> None:
    """One dictionary of equal keys per row, nothing empty but what was seen."""
    rendered = rows()
    assert len(rendered) == len(TABLE)
    assert len({tuple(row) for row in rendered}) == 1
    assert all(value for row in rendered for key, value in row.items() if key != "Seen")
    by_reason = {row["Reason"]: row for row in rendered}
    assert by_reason["Completed"]["Final"] == "yes"
    assert by_reason["ImageUnavailable"] == {
        "Exit code": "any",
        "Seen": Sign.IMAGE_WAITING.value,
        "Stop asked for": "either",
        "Reason": "ImageUnavailable",
        "Final": "until a pod of the job has started",
        "Counts as a crash": "yes",
        "What it means": next(row.description for row in TABLE if row.sign is Sign.IMAGE_WAITING),
    }
    assert (by_reason["Stopped"]["Exit code"], by_reason["Stopped"]["Stop asked for"]) == ("10 (stopped)", "yes")
    assert by_reason["the trainer's own"]["Counts as a crash"] == "no"
    seen = {row["Seen"] for row in rendered if row["Reason"] == "Completed"}
    asked = {row["Stop asked for"] for row in rendered if row["Exit code"] == "10 (stopped)"}
    assert (seen, asked) == ({""}, {"yes", "no"})
