"""What is measured of training steps, from the ledger to Prometheus.

Place in the data's way: from station 10 to the metrics. Pods needn't be reachable: what they measure lies in the
ledger. The newest step of a run is shown; of durations, steps that ended while this process lived are counted, once.
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
        for row in await self.ledger.steps(seen):
            seen[row.run_uid] = row.step
            self.metrics.step_seen(row)
            if former is not None:
                self.metrics.step_done(row)
        self.metrics.forget_steps(set(seen))
        self._seen = seen
