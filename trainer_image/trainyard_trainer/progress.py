"""Reports of a pod, shown in its TrainingJob's `status.progress`.

Place in the data's way: station 11. Reports that come too fast are coalesced into the newest; a commit and an
evaluation are shown at once. Showing never holds training up and never fails it: a patch that doesn't arrive is logged,
and the next report says what it said.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from trainyard_api.training_job_status import Progress, ReportedCheckpoint
from trainyard_trainer.kube import KubeError
from trainyard_trainer.outlets import SavedCheckpoint

_log = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 15.0
"""Least seconds between two patches that nothing hurries."""
CLOSE_SECONDS: Final = 10.0
"""Most seconds that `close` waits for the last patch."""


class StatusReporter:
    """A `Reporter` over a patch of `status.progress`.

    Args:
        patch: makes the field hold a progress; may raise KubeError.
        interval_seconds: least seconds between two patches that nothing hurries.
    """

    def __init__(self, patch: Callable[[Progress], None], interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._patch = patch
        self._interval = interval_seconds
        self._changed = threading.Condition()
        self._pending: Progress | None = None
        self._newest = Progress()
        self._last_checkpoint: ReportedCheckpoint | None = None
        self._hurry = False
        self._closing = False
        self._thread = threading.Thread(target=self._show_reports, name="progress", daemon=True)
        self._thread.start()

    def report(self, progress: Progress, *, at_once: bool = False) -> None:
        """Show this soon, or at once; never waits, never raises."""
        with self._changed:
            self._newest = progress
            self._pend(at_once)

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        """Show a committed checkpoint at once, here and in every later report."""
        with self._changed:
            self._last_checkpoint = ReportedCheckpoint(step=saved.step, uri=saved.uri, digest=saved.digest)
            self._pend(at_once=True)

    def close(self) -> None:
        """Show what is pending, within ten seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS)

    def _pend(self, at_once: bool) -> None:
        self._pending = self._newest.model_copy(
            update={"last_checkpoint": self._last_checkpoint or self._newest.last_checkpoint}
        )
        self._hurry = self._hurry or at_once
        self._changed.notify()

    def _show_reports(self) -> None:
        last_shown = -self._interval
        while (progress := self._next(last_shown + self._interval)) is not None:
            last_shown = time.monotonic()
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            try:
                self._patch(progress.model_copy(update={"last_report_time": now}))
            except KubeError as error:
                _log.warning("progress not shown: %s", error)

    def _next(self, not_before: float) -> Progress | None:
        """Wait for a report whose time has come; None when there is none any more."""
        with self._changed:
            while True:
                wait = not_before - time.monotonic()
                if self._pending is not None and (self._hurry or self._closing or wait <= 0):
                    progress, self._pending, self._hurry = self._pending, None, False
                    return progress
                if self._closing:
                    return None
                self._changed.wait(wait if self._pending is not None else None)
