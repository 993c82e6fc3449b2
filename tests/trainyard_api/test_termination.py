"""Claims about the message of an ended trainer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard_api.termination import (
    MAX_BYTES,
    CommittedCheckpoint,
    ExitCode,
    Termination,
    TerminationReason,
    parse_termination,
)

wide = st.text(max_size=256)
DIGEST = "sha256:" + "0" * 64


@given(
    st.sampled_from(TerminationReason),
    st.text(max_size=1024),
    st.none() | wide,
    st.none() | wide,
    st.none()
    | st.tuples(
        st.text(st.characters(codec="utf-8", categories=["L"]), min_size=1, max_size=1000),
        st.dictionaries(
            st.from_regex(r"[a-z_][a-z0-9_.-]{0,62}", fullmatch=True),
            st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,10})?", fullmatch=True),
            max_size=16,
        ),
    ),
)
def test_message_always_fits_and_comes_back(
    reason: TerminationReason,
    message: str,
    path: str | None,
    value: str | None,
    checkpoint: tuple[str, dict[str, str]] | None,
) -> None:
    """Whatever the texts are, the log is at most 4 KiB, and the operator reads the reason that the trainer wrote."""
    where, told = None, None
    if checkpoint is not None:
        where = f"s3://{checkpoint[0]}"
        told = CommittedCheckpoint(uri=where, digest=DIGEST, step=3, size_bytes=1, metrics=checkpoint[1])
    sent = Termination(
        reason=reason,
        message=message,
        field_path=path,
        value=value,
        last_step=3,
        committed_uri=where,
        committed=told,
    )
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


def test_metrics_go_first_then_words_and_the_checkpoint_last() -> None:
    """As many metrics as there is room for are told, the first ones; the claim outlives the message's text."""
    metrics = {f"metric_{number:03d}_{'x' * 50}": "0.123456" for number in range(16)}
    told = CommittedCheckpoint(
        uri="s3://b/" + "x" * 1000,
        digest=DIGEST,
        step=7,
        updates=0,
        size_bytes=2**40,
        metrics=metrics,
        unwritten_rows=5,
    )
    sent = Termination(reason="Stopped", message="m" * 700, committed_uri=told.uri, committed=told)
    read = parse_termination(sent.to_log().decode())
    assert read is not None
    assert read.committed is not None
    assert list(read.committed.metrics) == list(metrics)[: len(read.committed.metrics)]
    assert 2 < len(read.committed.metrics) < 16
    assert len(sent.to_log()) > MAX_BYTES - 128
    assert read == sent.model_copy(update={"committed": told.model_copy(update={"metrics": read.committed.metrics})}), (
        "nothing else is lost"
    )
    wordy = sent.model_copy(update={"message": "\N{ROCKET}" * 1024})
    read = parse_termination(wordy.to_log().decode())
    assert read is not None
    assert read.committed == told.model_copy(update={"metrics": {}})
    assert read.message == wordy.message[: len(read.message)]


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
        '{"reason": "Stopped", "committed": {"uri": "s3://b/x/", "digest": "none", "step": 1, "sizeBytes": 1}}',
        f'{{"reason": "Stopped", "committed": {{"uri": "s3://b/", "digest": "{DIGEST}", "step": -1, "sizeBytes": 1}}}}',
    ],
)
def test_foreign_text_is_no_message(text: str | None) -> None:
    """What a trainer wouldn't write is read as nothing, without an exception."""
    assert parse_termination(text) is None


def test_exit_codes_are_those_agreed() -> None:
    """0 is done, 10 stopped, 20 refused: the numbers are part of the contract."""
    assert {code.name: code.value for code in ExitCode} == {"DONE": 0, "STOPPED": 10, "REFUSED": 20}
