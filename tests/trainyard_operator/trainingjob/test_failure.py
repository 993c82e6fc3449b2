"""Claims about the table of endings."""

from __future__ import annotations

import itertools

import pytest

from trainyard_api.conditions import Reason
from trainyard_api.termination import ExitCode, TerminationReason
from trainyard_operator.trainingjob.failure import TABLE, Sign, classify, rows


@pytest.mark.parametrize(
    ("seen", "asked", "expected"),
    [
        ((0, set()), False, (Reason.COMPLETED, False, False)),
        ((0, {Sign.RESULT_MISSING}), False, (Reason.RESULT_MISSING, True, False)),
        ((20, set()), False, (None, True, False)),
        ((20, {Sign.UNKNOWN_WORD}), False, (Reason.TRAINER_CRASHED, True, False)),
        ((137, {Sign.OUT_OF_MEMORY}), False, (Reason.OUT_OF_MEMORY, False, True)),
        ((10, set()), True, (TerminationReason.STOPPED, False, False)),
        ((10, set()), False, (Reason.INTERRUPTED, False, False)),
        ((10, {Sign.DISRUPTED}), False, (Reason.DISRUPTED, False, False)),
        ((137, {Sign.DISRUPTED}), False, (Reason.DISRUPTED, False, False)),
        ((1, set()), False, (Reason.TRAINER_CRASHED, False, True)),
        ((None, {Sign.GONE}), False, (Reason.POD_LOST, False, True)),
        ((None, {Sign.IMAGE_WAITING}), False, (Reason.IMAGE_UNAVAILABLE, True, False)),
        ((None, {Sign.SECRET_WAITING}), False, (Reason.SECRET_UNAVAILABLE, True, False)),
        ((None, {Sign.NOT_STARTED}), False, (Reason.START_DEADLINE_EXCEEDED, True, False)),
        ((None, set()), False, (Reason.TRAINER_CRASHED, False, True)),
    ],
)
def test_an_ending_has_one_reason(
    seen: tuple[int | None, set[Sign]], asked: bool, expected: tuple[str | None, bool, bool]
) -> None:
    """Interruptions don't count as failures, the user's mistakes are final, the rest counts and may be tried again."""
    exit_code, signs = seen
    row = classify(exit_code, frozenset(signs), stop_asked=asked)
    assert (row.reason, row.terminal, row.counts) == expected


def test_everything_that_can_be_seen_has_a_row() -> None:
    """Any exit code with any two signs, asked or not; only exit 0 can be a success."""
    pairs = [frozenset(pair) for size in range(3) for pair in itertools.combinations(Sign, size)]
    for code, signs, asked in itertools.product([None, 0, 1, 10, 20, 137, 255], pairs, [True, False]):
        row = classify(code, signs, stop_asked=asked)
        assert row.success <= (code == ExitCode.DONE)


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
