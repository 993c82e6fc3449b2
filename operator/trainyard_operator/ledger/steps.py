"""What was measured of training steps, from the ledger to who shows it.

Place in the data's way: from station 10 to the metrics. Pods needn't be reachable: what they measure lies in the
ledger. The newest step of a run is shown; of durations, steps that ended while this process lived are counted, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.rows import StepRow, numbers_in
from trainyard_operator.ledger.statements import statement

_STEPS: Final = statement(
    """
    SELECT m.{training_metrics.run_uid}, r.{runs.namespace}, r.{runs.name}, m.{training_metrics.step},
           m.{training_metrics.step_seconds}, m.{training_metrics.rollout_seconds}, m.{training_metrics.update_seconds},
           CASE WHEN octet_length(m.{training_metrics.measurements}::text) > 16384 THEN NULL
                ELSE m.{training_metrics.measurements} END
    FROM unnest(%s::text[], %s::integer[]) AS seen (uid, step)
    JOIN {training_metrics} m ON m.{training_metrics.run_uid} = seen.uid AND m.{training_metrics.kind} = 'step'
         AND m.{training_metrics.step} > seen.step
    JOIN {runs} r ON r.{runs.uid} = m.{training_metrics.run_uid}
    ORDER BY m.{training_metrics.run_uid}, m.{training_metrics.step} LIMIT 10000
    """
)


class StepMetrics(Protocol):
    """Where steps are shown and counted."""

    def step_seen(self, row: StepRow) -> None:
        """Shows what was measured of a run's newest step."""

    def step_done(self, timing: StepRow) -> None:
        """Counts a training step of any job."""

    def forget_steps(self, running: set[str]) -> None:
        """Stops showing what runs measured that aren't among these uids."""


@dataclass
class Steps:
    """Which steps have been counted."""

    ledger: Ledger
    metrics: StepMetrics
    _seen: dict[str, int] | None = field(default=None)

    async def count(self, running: Iterable[str]) -> None:
        """Counts the steps that runs have finished since the last call; the first call only notes where they are.

        Args:
            running: uids of the TrainingJobs that have not ended.

        Raises:
            LedgerUnavailable: it failed.
        """
        former = self._seen
        seen = {uid: (former or {}).get(uid, -1) for uid in running}
        for row in await read(self.ledger, seen):
            seen[row.run_uid] = row.step
            self.metrics.step_seen(row)
            if former is not None:
                self.metrics.step_done(row)
        self.metrics.forget_steps(set(seen))
        self._seen = seen


async def read(ledger: Ledger, seen: Mapping[str, int]) -> list[StepRow]:
    """Reads the steps that runs have finished lately, in order.

    Args:
        ledger: the operator's login.
        seen: run uid → its last step that is already known; -1 for none.

    Raises:
        LedgerUnavailable: it failed.
    """
    if not seen:
        return []
    uids, steps = list(seen), list(seen.values())
    rows = await ledger.run(lambda connection: connection.execute(_STEPS, (uids, steps)).fetchall())
    return [_step(row) for row in rows]


def _step(row: tuple[Any, ...]) -> StepRow:
    uid, namespace, name, step, whole, rollout, update, measurements = row
    return StepRow(uid, namespace, name, step, whole, rollout, update, numbers_in(measurements))
