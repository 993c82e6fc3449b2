"""What a termination message says of a checkpoint is what its row claims, as far as the API can hold it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainyard_api.termination import CommittedCheckpoint, Termination, parse_termination
from trainyard_trainer.sinks import SavedCheckpoint

SAVED = SavedCheckpoint(4, "s3://b/x/", "sha256:" + "0" * 64, 7, {}, None, updates=0, unwritten_rows=9)


def told(metrics: dict[str, str]) -> CommittedCheckpoint:
    """What the operator reads of it."""
    made = SavedCheckpoint(4, "s3://b/x/", "sha256:" + "0" * 64, 7, metrics, None, updates=0, unwritten_rows=9)
    read = parse_termination(Termination(reason="Stopped", committed=made.as_committed()).to_log().decode())
    assert read is not None
    assert read.committed is not None
    return read.committed


def test_all_that_a_row_claims_is_told() -> None:
    """Numbers as they are; a slash in a metric's name is a dot there, as in the Checkpoint."""
    metrics = {"reward_mean": "0.5", "clip_ratio/low_mean": "-1.25"}
    found = told(metrics)
    assert (found.step, found.uri, found.digest, found.size_bytes) == (4, SAVED.uri, SAVED.digest, 7)
    assert (found.updates, found.unwritten_rows) == (0, 9)
    assert found.metrics == {"reward_mean": "0.5", "clip_ratio.low_mean": "-1.25"}
    assert SavedCheckpoint(4, "s3://b/x/", SAVED.digest, 7, {}, None).as_committed().unwritten_rows == 0


def test_what_tells_most_is_told_first() -> None:
    """Where there are more than a message may have."""
    found = told({f"other_{number}": "1" for number in range(30)} | {"validation_success_rate": "0.75", "loss": "2"})
    assert len(found.metrics) == 16
    assert list(found.metrics)[:3] == ["validation_success_rate", "loss", "other_0"]


@given(st.dictionaries(st.text(max_size=70), st.text(max_size=40), max_size=20))
def test_no_metric_makes_a_message_unreadable(metrics: dict[str, str]) -> None:
    """Whatever a later release calls them."""
    assert len(told(metrics).metrics) <= 16
