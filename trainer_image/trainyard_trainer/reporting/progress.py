"""Progress, shown where `kubectl get trainingjobs` reads it, without ever holding up training.

Place in the data's way: station 11. Reports are coalesced to the newest and sent from a thread of their own. A report
that doesn't arrive is tried again; none fails the run, for the operator may not have named this pod yet, and the ledger
holds the truth.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from trainyard_api.decimals import measured
from trainyard_api.progress import Progress, ReportedCheckpoint
from trainyard_trainer.reporting.kube import KubeError
from trainyard_trainer.sinks import SavedCheckpoint

_log = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 15.0
"""Least time between two reports that aren't urgent, and most between two tries."""
_FIRST_RETRY_SECONDS: Final = 1.0
_LAST_FLUSH_SECONDS: Final = 10.0


class StatusReporter:
    """A `Reporter` that sends each report with `send`, which raises KubeError when it didn't arrive.

    A commit and a new evaluation are urgent by themselves. The interval begins when a report has arrived. The best
    validation's checkpoint is shown as the best one once it is committed.
    """

    def __init__(self, send: Callable[[Progress], None], *, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._send = send
        self._interval = interval_seconds
        self._changed = threading.Condition()
        self._progress = Progress()
        self._between_steps: ReportedCheckpoint | None = None
        self._pending = False
        self._urgent = False
        self._closing = False
        self._failures = 0
        self._last_try = time.monotonic() - interval_seconds
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def report(self, progress: Progress, *, at_once: bool = False) -> None:
        """Shows this progress soon; what was reported of checkpoints stays."""
        with self._changed:
            known = self._progress
            kept: dict[str, Any] = {"best_checkpoint": known.best_checkpoint, "save_seconds": known.save_seconds}
            if progress.last_checkpoint is None:
                kept["last_checkpoint"] = known.last_checkpoint
            progress = progress.model_copy(update=kept)
            self._put(progress, urgent=at_once or progress.evaluation != known.evaluation)

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        """Shows a committed checkpoint at once."""
        newest = ReportedCheckpoint(step=saved.step, uri=saved.uri, digest=saved.digest)
        with self._changed:
            if saved.updates is None:
                self._between_steps = newest
            self._put(self._progress.model_copy(update={"last_checkpoint": newest}), urgent=True)

    def saved_in(self, seconds: float) -> None:
        """Shows how long the newest checkpoint took to save, with the next report."""
        with self._changed:
            self._progress = self._progress.model_copy(update={"save_seconds": measured(seconds, places=2)})

    def close(self) -> None:
        """Sends what is pending, for at most ten seconds, and ends the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_LAST_FLUSH_SECONDS)
        if self._thread.is_alive():
            _log.warning("the last report did not arrive within %.0f s", _LAST_FLUSH_SECONDS)

    def _put(self, progress: Progress, *, urgent: bool) -> None:
        best, saved = progress.validation, self._between_steps
        if best is not None and saved is not None and saved.step == best.best_step:
            progress = progress.model_copy(update={"best_checkpoint": saved})
        self._progress = progress
        self._pending = True
        self._urgent = self._urgent or urgent
        self._changed.notify()

    def _run(self) -> None:
        trouble: str | None = None
        while (progress := self._take()) is not None:
            try:
                self._send(progress.model_copy(update={"last_report_time": _now()}))
            except KubeError as error:
                if str(error) != trouble:
                    _log.warning("a report was not shown (%s), trying again", error)
                trouble = str(error)
                self._tried(arrived=False)
            else:
                if trouble is not None:
                    _log.info("reports are shown again")
                trouble = None
                self._tried(arrived=True)

    def _take(self) -> Progress | None:
        """Waits until a report is due and returns it; None when closed with nothing left to send."""
        with self._changed:
            while True:
                if not self._pending:
                    if self._closing:
                        return None
                    self._changed.wait()
                    continue
                wait = self._due() - time.monotonic()
                if wait <= 0:
                    break
                self._changed.wait(wait)
            self._pending = self._urgent = False
            return self._progress

    def _due(self) -> float:
        """Returns when the pending report may be sent; after a failure even an urgent one waits for the next try."""
        if self._failures:
            longest = _FIRST_RETRY_SECONDS if self._closing else self._interval
            return self._last_try + min(_FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 10), longest)
        return 0.0 if self._urgent or self._closing else self._last_try + self._interval

    def _tried(self, *, arrived: bool) -> None:
        with self._changed:
            self._last_try = time.monotonic()
            self._failures = 0 if arrived else self._failures + 1
            self._pending = self._pending or not arrived


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
