"""Claims about the message of an ended trainer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard_api.termination import MAX_BYTES, ExitCode, Termination, TerminationReason, parse_termination

wide = st.text(max_size=256)


@given(
    st.sampled_from(TerminationReason),
    st.text(max_size=1024),
    st.none() | wide,
    st.none() | wide,
    st.none() | st.text(st.characters(codec="utf-8", categories=["L"]), min_size=1, max_size=1000),
)
def test_message_always_fits_and_comes_back(
    reason: TerminationReason, message: str, path: str | None, value: str | None, uri: str | None
) -> None:
    """Whatever the texts are, the log is at most 4 KiB, and the operator reads the reason that the trainer wrote."""
    where = None if uri is None else f"s3://{uri}"
    sent = Termination(reason=reason, message=message, field_path=path, value=value, last_step=3, committed_uri=where)
    log = sent.to_log()
    assert len(log) <= MAX_BYTES
    read = parse_termination(log.decode())
    assert read is not None
    assert (read.reason, read.last_step) == (reason, 3)
    assert sent.message.startswith(read.message)


def test_wide_texts_are_cut_to_fit() -> None:
    """Texts of four bytes a character that are each within bounds, and together far too long, are cut, not refused."""
    wide = "\N{ROCKET}"
    sent = Termination(reason="Crashed", message=wide * 1024, value=wide * 256, committed_uri="s3://" + wide * 1000)
    read = parse_termination(sent.to_log().decode())
    assert read is not None
    assert read.value is None


def test_short_message_is_whole() -> None:
    """A message that fits is written as it is, in the API's spelling."""
    sent = Termination(reason="UnknownTask", message="no", field_path="spec.task.name", value="calc", last_step=0)
    assert json.loads(sent.to_log()) == {
        "reason": "UnknownTask",
        "message": "no",
        "fieldPath": "spec.task.name",
        "value": "calc",
        "lastStep": 0,
    }


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "Traceback (most recent call last):", "[]", "null", "{}", '{"reason": 5}', '{"reason": "a b"}'),
        '{"reason": "Completed", "committedUri": "javascript:alert(1)"}',
        '{"reason": "Completed", "message": "' + "x" * 5000 + '"}',
        '{"reason": "Completed", "lastStep": -1}',
    ],
)
def test_foreign_text_is_no_message(text: str | None) -> None:
    """What a trainer wouldn't write is read as nothing, without an exception."""
    assert parse_termination(text) is None


def test_exit_codes_are_those_agreed() -> None:
    """0 is done, 10 stopped, 20 refused: the numbers are part of the contract."""
    assert {code.name: code.value for code in ExitCode} == {"DONE": 0, "STOPPED": 10, "REFUSED": 20}
