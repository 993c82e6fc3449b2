"""Durations of training steps, from the ledger to Prometheus.

Place in the data's way: from station 10 to the metrics. Pods needn't be reachable: what they measure lies in the
ledger, and only steps that ended while this process lived are counted, each once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from trainyard_operator.ledger import Ledger
from trainyard_operator.metrics import Metrics


@dataclass
class Steps:
    """Which steps have been counted."""

    ledger: Ledger
    metrics: Metrics
    _seen: dict[str, int] | None = field(default=None)

    async def count(self, running: Iterable[str]) -> None:
        """Counts the steps that runs have finished since the last call; the first call only notes where they stand.

        Args:
            running: uids of the TrainingJobs that have not ended.

        Raises:
            LedgerUnavailable: it failed.
        """
        former = self._seen
        seen = {uid: (former or {}).get(uid, -1) for uid in running}
        for timing in await self.ledger.step_timings(seen):
            seen[timing.run_uid] = timing.step
            if former is not None:
                self.metrics.step_done(timing)
        self._seen = seen
