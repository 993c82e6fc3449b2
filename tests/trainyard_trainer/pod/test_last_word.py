"""A pod's last words are the same whoever says them: the thread that did the work, or one that ends what hangs."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_trainer.stopping import Stop
from trainyard_api.termination import Termination, TerminationReason, parse_termination
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.ledger.delivery import DatabaseAwayError
from trainyard_trainer.pod import last_word
from trainyard_trainer.pod.last_word import LastWord
from trainyard_trainer.sinks import SavedCheckpoint

FOUND, COMMITTED = (
    SavedCheckpoint(step, f"s3://b/step-{step}/", "sha256:" + "0" * 64, 7, {}, None, unwritten_rows=rows)
    for step, rows in ((4, None), (5, 9))
)


class Log:
    """A log that notes how long its end was waited for."""

    seconds: float | None = None

    def close(self, seconds: float) -> None:
        """Notes it."""
        self.seconds = seconds


class Outbox:
    """An outbox with three rows left."""

    def unwritten(self) -> int:
        """Returns them."""
        return 3


class Left(Exception):  # noqa: N818 (the end of a process)
    """The process ended, with this code."""


@pytest.fixture
def last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LastWord:
    """Of a pod that went on from a checkpoint, and was told to stop."""

    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr(last_word, "leave", leave)
    (tmp_path / "log").touch()
    log: Any = Log()
    outbox: Any = Outbox()
    return LastWord(("hunter2",), tmp_path / "log", log, Stop(lambda: True), outbox, found=FOUND)


def told(last: LastWord) -> Termination:
    """What the kubelet reads."""
    found = parse_termination(last.path.read_text())
    assert found is not None
    return found


def of(committed: SavedCheckpoint | None, *, has_last: bool = False) -> Any:
    """A writer whose newest commit this is."""
    told = {"has_last": lambda _: has_last, "unsaved_seconds": lambda _: 12.5}
    return type("Writer", (), {"committed": committed, **told})()


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (StoppedError(4, FOUND.uri), 10, "Stopped"),
        (RefusedError(TerminationReason.INVALID_DATA, "must not be hunter2"), 20, "InvalidData"),
        (ValueError("hunter2"), 1, "Crashed"),
        (SystemExit(0), 1, "Crashed"),
    ],
)
def test_an_error_has_its_exit_code_and_its_words(
    last: LastWord, error: BaseException, code: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the message without secrets, and in the log."""
    with caplog.at_level(logging.INFO):
        assert last.failed(error) == code
    assert (told(last).reason, "hunter2" in last.path.read_text()) == (reason, False)
    assert caplog.records[-1].name == "trainyard_trainer.pod.last_word"


def test_a_run_that_is_done_says_so(last: LastWord) -> None:
    """And waits for its log to be kept."""
    assert last.done(Termination(reason="Completed")) == 0
    assert told(last).reason == "Completed"
    assert last.log.seconds == 10.0


def test_who_ends_a_hanging_run_adds_what_its_own_thread_would_have(last: LastWord) -> None:
    """How many rows wait; and a database that is away is a stop, where one was asked for."""
    last.writer = of(COMMITTED)
    with pytest.raises(Left, match="10"):
        last.leave(StoppedError(5, COMMITTED.uri, committed=COMMITTED.as_committed()))
    assert (told(last).committed_uri, told(last).committed.unwritten_rows) == (COMMITTED.uri, 3)
    last.writer = None
    with pytest.raises(Left, match="10"):
        last.leave(DatabaseAwayError("away"))
    assert told(last).committed_uri == FOUND.uri
    with pytest.raises(Left, match="1"):
        last.leave(OSError("no space"))
    last.outbox = last.found = None
    with pytest.raises(Left, match="10"):
        last.leave(StoppedError(0, None))
    assert told(last).committed is None


ENDS = [
    StoppedError(4, FOUND.uri),
    StoppedError(0, None),
    RefusedError(TerminationReason.NOT_FINITE, "the loss must be finite"),
    DatabaseAwayError("for 900 s"),
    OSError("no space"),
    SystemExit(0),
]


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
def test_every_end_by_an_error_names_the_newest_commit(last: LastWord, error: BaseException) -> None:
    """Its claim may be in no ledger, and no further attempt may come: with how many of its rows are in none either."""
    last.stop = Stop()
    last.writer = of(COMMITTED)
    last.failed(error)
    named = told(last).committed
    assert named == COMMITTED.as_committed().model_copy(update={"unwritten_rows": 3})
    assert told(last).committed_uri == COMMITTED.uri


def test_rows_that_only_a_failed_checkpoint_carried_are_not_told_of_the_one_before(last: LastWord) -> None:
    """That one carries none; and one that a run went on from has its own until they are written first."""
    last.writer = of(replace(COMMITTED, unwritten_rows=None))
    last.failed(OSError("no space"))
    assert told(last).committed.unwritten_rows == 0
    last.writer, last.found = None, replace(FOUND, unwritten_rows=9)
    last.failed(DatabaseAwayError("away"))
    assert (told(last).committed_uri, told(last).committed.unwritten_rows) == (FOUND.uri, 9)


def test_a_fenced_pod_names_nothing(last: LastWord) -> None:
    """Another attempt has taken its place: what it committed needn't fit that one's rows."""
    last.writer = of(COMMITTED)
    last.failed(RefusedError(TerminationReason.FENCED, "names attempt 2"))
    assert (told(last).committed_uri, told(last).committed) == (None, None)


def test_a_run_that_is_out_of_time_names_its_newest_commit(last: LastWord) -> None:
    """Claimed or not; else the one that it went on from, or none."""
    for writer, found, named in (
        (None, None, None),
        (None, FOUND, FOUND.uri),
        (of(None), FOUND, FOUND.uri),
        (of(COMMITTED), FOUND, COMMITTED.uri),
    ):
        last.found, last.writer = found, writer
        with pytest.raises(StoppedError) as stopped:
            last.out_of_time()
        assert stopped.value.committed_uri == named


@pytest.mark.parametrize("saved", [True, False])
def test_a_run_that_is_out_of_time_says_whether_its_work_is_saved(last: LastWord, saved: bool) -> None:
    """Its last state may be committed, and something else hang; before there is a writer there is no work."""
    last.writer = of(COMMITTED, has_last=saved)
    with pytest.raises(StoppedError) as stopped:
        last.out_of_time()
    assert (stopped.value.saved, stopped.value.dropped_seconds) == (saved, 0.0 if saved else 12.5)
    last.writer = None
    with pytest.raises(StoppedError) as stopped:
        last.out_of_time()
    assert stopped.value.saved


@pytest.mark.parametrize(("left", "waited"), [(60.0, 2.0), (0.5, 0.25), (-1.0, 0.0)])
def test_after_a_stop_the_log_takes_no_more_than_half_of_what_is_left(
    last: LastWord, left: float, waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a pod that is out of time would be killed for its log."""
    monkeypatch.setattr(last.stop, "seconds_left", lambda: left)
    last.failed(StoppedError(0, None))
    assert last.log.seconds == waited
