"""Reports are coalesced, urgent ones go at once, lost ones are tried again, and none holds up training."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.waiting import GUARD_SECONDS
from trainyard_api.progress import Progress, ReportedEvaluation, ReportedValidation
from trainyard_trainer.reporting.kube import KubeError
from trainyard_trainer.reporting.progress import StatusReporter
from trainyard_trainer.sinks import SavedCheckpoint

SAVED = SavedCheckpoint(7, "s3://b/x/", "sha256:" + "0" * 64, 1, {}, None)


class Board:
    """Takes reports as the API server does, and can refuse them."""

    def __init__(self) -> None:
        self.shown: list[Progress] = []
        self.tries = 0
        self.refusal: str | None = None
        self._changed = threading.Condition()

    def send(self, progress: Progress) -> None:
        """One report arrives, or is refused."""
        with self._changed:
            self.tries += 1
            self._changed.notify_all()
            if self.refusal is not None:
                raise KubeError(self.refusal)
            self.shown.append(progress)

    def reached(self, count: int) -> list[Progress]:
        """The reports shown, once there are `count`."""
        return self.wait_for(lambda: len(self.shown) >= count)

    def wait_for(self, holds: Callable[[], bool]) -> list[Progress]:
        """The reports shown, once this holds of them."""
        with self._changed:
            assert self._changed.wait_for(holds, GUARD_SECONDS), self.shown
            return list(self.shown)

    def wait_tries(self, count: int) -> None:
        """Until so many were sent."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.tries >= count, GUARD_SECONDS)


@pytest.fixture
def board() -> Board:
    """An empty one."""
    return Board()


@pytest.fixture
def reporter(board: Board):
    """With an interval that no test waits for."""
    reporter = StatusReporter(board.send, interval_seconds=3600)
    yield reporter
    board.refusal = None
    reporter.close()


def test_the_first_report_goes_at_once_with_its_time(board: Board, reporter: StatusReporter) -> None:
    """A user sees a new run within a second."""
    reporter.report(Progress(step=0, phase="loading"))
    (shown,) = board.reached(1)
    assert (shown.step, shown.phase) == (0, "loading")
    assert shown.last_report_time is not None
    assert shown.last_report_time.endswith("Z")


def test_reports_that_come_too_fast_become_the_newest(board: Board, reporter: StatusReporter) -> None:
    """A thousand steps a second make one patch an interval, not a thousand."""
    reporter.report(Progress(step=0))
    board.reached(1)
    for step in range(1, 1001):
        reporter.report(Progress(step=step))
    reporter.report(Progress(step=1001), at_once=True)
    assert [shown.step for shown in board.reached(2)] == [0, 1001]


def test_a_commit_goes_at_once_and_stays_in_later_reports(board: Board, reporter: StatusReporter) -> None:
    """The loop doesn't know of commits; what it reports afterwards doesn't hide one."""
    reporter.report(Progress(step=6))
    board.reached(1)
    reporter.checkpoint(SAVED)
    shown = board.reached(2)[-1]
    assert shown.step == 6
    assert shown.last_checkpoint is not None
    assert (shown.last_checkpoint.step, shown.last_checkpoint.uri) == (7, "s3://b/x/")
    reporter.report(Progress(step=8), at_once=True)
    assert board.reached(3)[-1].last_checkpoint == shown.last_checkpoint


def test_how_long_a_commit_took_goes_with_it(board: Board, reporter: StatusReporter) -> None:
    """And stays until the next one: the operator compares it with the grace of a stop."""
    reporter.saved_in(0.254)
    reporter.checkpoint(SAVED)
    board.reached(1)
    reporter.report(Progress(step=8), at_once=True)
    assert {shown.save_seconds for shown in board.reached(2)} == {"0.25"}


def test_an_evaluation_goes_at_once(board: Board, reporter: StatusReporter) -> None:
    """Success on held-out questions is what a user waits for."""
    reporter.report(Progress(step=6))
    board.reached(1)
    reporter.report(Progress(step=6, evaluation=ReportedEvaluation(questions=512, success_before="0.2")))
    assert board.reached(2)[-1].evaluation is not None


def test_a_refused_report_is_logged_once_and_tried_again(
    board: Board, reporter: StatusReporter, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator may not have named this pod yet: the newest report arrives as soon as it has."""
    board.refusal = "422 Unprocessable Entity"
    with caplog.at_level(logging.INFO):
        reporter.report(Progress(step=1), at_once=True)
        board.wait_tries(2)
        reporter.report(Progress(step=2), at_once=True)
        board.refusal = None
        (shown,) = board.reached(1)
    assert shown.step == 2
    assert caplog.text.count("422 Unprocessable Entity") == 1


def test_a_report_never_waits_for_the_api_server(board: Board) -> None:
    """Training goes on while a patch hangs: a hundred reports are made before the first one is let through."""
    go_on = threading.Event()

    def send(progress: Progress) -> None:
        assert go_on.wait(GUARD_SECONDS)
        board.send(progress)

    reporter = StatusReporter(send)
    for step in range(100):
        reporter.report(Progress(step=step), at_once=True)
    assert board.shown == []
    go_on.set()
    reporter.close()
    assert board.wait_for(lambda: any(shown.step == 99 for shown in board.shown))[-1].step == 99


def test_closing_sends_what_is_pending(board: Board) -> None:
    """The last report is shown, though its interval isn't over."""
    reporter = StatusReporter(board.send, interval_seconds=3600)
    reporter.report(Progress(step=59))
    board.reached(1)
    reporter.report(Progress(step=60, phase="done"))
    reporter.close()
    assert [shown.step for shown in board.reached(2)] == [59, 60]


def test_closing_tries_again_each_second(board: Board) -> None:
    """However long the wait for the next try had become."""
    reporter = StatusReporter(board.send, interval_seconds=3600)
    board.refusal = "403 Forbidden"
    reporter.report(Progress(step=60))
    board.wait_tries(2)
    closing = threading.Thread(target=reporter.close)
    closing.start()
    board.wait_tries(3)
    board.refusal = None
    closing.join(GUARD_SECONDS)
    assert not closing.is_alive()
    assert [shown.step for shown in board.reached(1)] == [60]


def test_the_best_checkpoint_is_that_of_the_best_validation_once_it_is_committed(
    board: Board, reporter: StatusReporter
) -> None:
    """Not before, and not one taken in the middle of a step; an older best stays until the newer is committed."""

    def after(step: int, best: int) -> ReportedValidation:
        return ReportedValidation(step=step, success_rate="0.5000", best_step=best, best_success_rate="0.5000")

    def best() -> int | None:
        shown = board.shown[-1].best_checkpoint
        return None if shown is None else shown.step

    reporter.report(Progress(step=7, validation=after(7, 7)), at_once=True)
    board.reached(1)
    assert best() is None
    reporter.checkpoint(replace(SAVED, updates=1))
    board.reached(2)
    assert best() is None
    reporter.checkpoint(SAVED)
    board.reached(3)
    assert best() == 7
    reporter.report(Progress(step=9, validation=after(9, 9)), at_once=True)
    board.reached(4)
    assert best() == 7
    reporter.checkpoint(replace(SAVED, step=9))
    board.reached(5)
    assert best() == 9
    reporter.report(Progress(step=11, validation=after(11, 9)), at_once=True)
    reporter.checkpoint(replace(SAVED, step=11))
    board.reached(6)
    assert best() == 9
