"""Every way to end has an exit code and a message, and no message holds a secret."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from trainyard_api.termination import MAX_BYTES, Termination, TerminationReason, parse_termination
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.pod import ending
from trainyard_trainer.sinks import Ended, SavedCheckpoint


def test_a_run_that_is_done_names_its_checkpoint() -> None:
    """The operator believes nothing less."""
    saved = SavedCheckpoint(60, "s3://b/x/", "sha256:" + "0" * 64, 1, {}, None)
    termination = ending.completed(Ended(saved))
    assert (termination.reason, termination.last_step, termination.committed_uri) == ("Completed", 60, "s3://b/x/")
    early = ending.completed(Ended(saved, early=True))
    assert (early.reason, early.last_step, early.committed_uri) == ("EarlyStopped", 60, "s3://b/x/")


def test_an_evaluation_that_is_done_names_its_results() -> None:
    """It has no checkpoint."""
    termination = ending.completed(Ended(None, results_digest="sha256:" + "1" * 64))
    assert (termination.reason, termination.results_digest) == ("Completed", "sha256:" + "1" * 64)
    assert termination.committed_uri is None


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("longer-than-7", "xlonger-than-7x", "x[hidden]x"),
        ("eight888", "xeight888x", "x[hidden]x"),
        ("seven77", "xseven77x seven77", "xseven77x [hidden]"),
        ("test", "the latest test, test_3, user:test@db", "the latest [hidden], test_3, user:[hidden]@db"),
        ("p.t", "pit p.t", "pit [hidden]"),
        ("a", "a cat", "a cat"),
        ("42", "step 42", "step 42"),
    ],
)
def test_a_short_secret_is_hidden_where_it_stands_alone(secret: str, text: str, shown: str) -> None:
    """A weak password doesn't make a log unreadable; one of two characters is in every line."""
    assert ending.redact(text, [secret]) == shown


def test_a_stop_is_exit_10() -> None:
    """With the newest checkpoint."""
    code, termination = ending.of_error(StoppedError(7, "s3://b/x/"), ())
    assert (code, termination.reason, termination.committed_uri) == (10, "Stopped", "s3://b/x/")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoppedError(0, None), "stopped on request after step 0, without a checkpoint"),
        (
            StoppedError(7, "s3://b/x/", saved=False),
            "stopped on request after step 7, without a checkpoint of what was done since",
        ),
    ],
)
def test_a_stop_that_saved_nothing_says_so(error: StoppedError, said: str) -> None:
    """It isn't told as one whose work is kept; the exit code is the same, for it isn't a crash."""
    code, termination = ending.of_error(error, ())
    assert (code, termination.reason, termination.message) == (10, "StoppedUnsaved", said)


def test_a_refusal_is_exit_20_in_parts() -> None:
    """Field, rule and value apart: the operator puts the sentence together."""
    error = RefusedError(TerminationReason.UNKNOWN_TASK, "must be known", field_path="spec.task.name", value="chess")
    code, termination = ending.of_error(error, ())
    assert code == 20
    assert termination == Termination(
        reason="UnknownTask", message="must be known", field_path="spec.task.name", value="chess"
    )


def test_anything_else_is_a_crash_without_secrets() -> None:
    """A library's message may quote what it was given."""
    code, termination = ending.of_error(OSError("no route to s3cr3t@db"), ("s3cr3t",))
    assert (code, termination.reason) == (1, "Crashed")
    assert termination.message == "OSError: no route to [hidden]@db"


def test_an_error_without_a_text_is_a_crash_all_the_same() -> None:
    """The last message of a pod can't be lost to what an error does when it is told."""

    class SilentError(Exception):
        def __str__(self) -> str:
            raise SystemExit

    code, termination = ending.of_error(SilentError(), ())
    assert (code, termination.message) == (1, "SilentError: (its text raised SystemExit)")


def test_text_that_is_no_unicode_is_made_so() -> None:
    """A file's name may hold any bytes; a message about it must not turn a refusal into a crash without one."""
    error = RefusedError(TerminationReason.REWARD_FAILED, "no file a\udc80b", field_path="spec.task", value="\ud800")
    code, termination = ending.of_error(error, ())
    assert (code, termination.message, termination.value) == (20, "no file a\ufffdb", "\ufffd")
    assert parse_termination(termination.to_log().decode()) == termination


def test_a_long_end_still_fits(tmp_path: Path) -> None:
    """The kubelet keeps 4 KiB; what is longer is cut, and still one that the operator can read."""
    error = RefusedError(TerminationReason.REWARD_FAILED, "ü" * 5000, field_path="f" * 500, value="ü" * 5000)
    _, termination = ending.of_error(error, ())
    log = tmp_path / "log"
    log.write_bytes(b"x" * 10_000)
    ending.write(termination, log)
    text = log.read_bytes()
    assert len(text) <= MAX_BYTES
    assert parse_termination(text.decode()) is not None


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The exit code says the most important by itself."""
    with caplog.at_level(logging.WARNING):
        ending.write(Termination(reason="Completed"), tmp_path / "log")
    assert not list(tmp_path.iterdir())
    assert "can't be written (FileNotFoundError)" in caplog.text
