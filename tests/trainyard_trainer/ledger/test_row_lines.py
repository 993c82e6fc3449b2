"""A row is the same after it was a line, and what is no row of its table is refused, whoever wrote it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainyard_trainer.ledger_rows import NOW, RUN, batch, metrics
from trainyard_api.ledger import SEGMENTS, TRAINING_METRICS, TRAJECTORIES, SegmentRow, TrajectoryRow
from trainyard_trainer.ledger import row_lines
from trainyard_trainer.ledger.row_batch import WRITTEN_TABLES, StepRows
from trainyard_trainer.ledger.row_lines import from_line, to_line

ROW: TrajectoryRow = next(StepRows(RUN, batch(0), metrics(0)).of(TRAJECTORIES))
SEGMENT: SegmentRow = next(StepRows(RUN, batch(0), metrics(0)).of(SEGMENTS))


@given(st.floats(allow_nan=False), st.text(st.characters(codec="utf-8", exclude_characters="\x00")))
def test_a_row_is_the_same_after_it_was_a_line(number: float, text: str) -> None:
    """Every number to the last bit, infinity too; every text that a ledger can hold; times with their zone."""
    elsewhere = datetime(2026, 3, 1, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=-9, minutes=-30)))
    row = replace(ROW, advantage=number, answer=text, started_at=elsewhere, turn_rewards=[number, None])
    line = to_line(TRAJECTORIES, row)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert from_line(TRAJECTORIES, line, RUN.uid) == row


def test_a_line_is_of_the_run_that_reads_it() -> None:
    """It names none."""
    assert from_line(TRAJECTORIES, to_line(TRAJECTORIES, ROW), "another").run_uid == "another"
    assert RUN.uid.encode() not in to_line(TRAJECTORIES, ROW)


def changed(row: Any, table: Any, **values: Any) -> bytes:
    """A line with other values."""
    return json.dumps(json.loads(to_line(table, row)) | values).encode()


@pytest.mark.parametrize(
    "values",
    [
        *({"step": "0"}, {"step": True}, {"step": 2**31}, {"step": 0.5}, {"step": None}, {"question": 5}),
        *({"question": "a\x00b"}, {"question": "\ud800"}, {"success": 1}, {"advantage": math.nan}),
        *({"advantage": "1"}, {"advantage": None}, {"rewards": [1]}, {"started_at": "now"}, {"started_at": 5}),
        *({"started_at": NOW.replace(tzinfo=None).isoformat()}, {"turn_rewards": [True]}, {"turn_rewards": 1.0}),
        *({"run_uid": "another"}, {"surprise": 1}),
    ],
)
def test_what_is_no_row_is_refused(values: dict[str, Any]) -> None:
    """Types, bounds and columns are those of the contract."""
    with pytest.raises(ValueError, match=r"."):
        from_line(TRAJECTORIES, changed(ROW, TRAJECTORIES, **values), RUN.uid)


@pytest.mark.parametrize(
    "values",
    [
        *({"token_ids": [2**31]}, {"token_ids": [None]}, {"mask": [0, 1]}, {"mask": None}, {"logprobs": ["0"]}),
        *({"logprobs": [math.nan]}, {"policy_versions": {}}, {"advantages": [[]]}),
    ],
)
def test_lists_are_checked_number_by_number(values: dict[str, Any]) -> None:
    """Of a segment, each token's."""
    with pytest.raises(ValueError, match=r"."):
        from_line(SEGMENTS, changed(SEGMENT, SEGMENTS, **values), RUN.uid)


@pytest.mark.parametrize("line", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b"1" * 5000])
def test_a_line_that_is_no_object_is_refused(line: bytes) -> None:
    """However deep or long it is."""
    for table in WRITTEN_TABLES:
        with pytest.raises(ValueError, match=r"."):
            from_line(table, line, RUN.uid)


def test_a_row_that_nobody_could_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line has a longest length, for whoever reads one holds it in memory."""
    monkeypatch.setattr(row_lines, "MAX_LINE_BYTES", 50)
    with pytest.raises(ValueError, match="training_metrics must have at most 50 bytes"):
        to_line(TRAINING_METRICS, next(StepRows(RUN, [], metrics(0)).of(TRAINING_METRICS)))
