"""Rows that travel in a checkpoint because the database was away when its trainer was stopped.

Place in the data's way: from station 9 to station 10. The next attempt writes them first; where none follows, a short
Job does, before the job has ended. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.cluster.clock import parse_time
from trainyard_operator.cluster.messages import at_field
from trainyard_operator.trainingjob.attempt import record
from trainyard_operator.trainingjob.decision.actions import Action, EnsureRunConfig, WriteRows
from trainyard_operator.trainingjob.decision.findings import Condition
from trainyard_operator.trainingjob.decision.observed import Observed

PATIENCE: Final = timedelta(hours=1)
"""How long after an attempt's end a job waits for a Job that the API server refuses, or whose name is taken."""


@dataclass(frozen=True)
class Carried:
    """What has become of such rows."""

    waits: bool = False
    """Whether the job's end has to wait for them."""
    actions: tuple[Action, ...] = ()
    trouble: tuple[Condition, ...] = ()
    """Why they weren't written."""


def uri_of(observed: Observed) -> str | None:
    """Finds the checkpoint of the current attempt that carries rows; None: there is none."""
    ending = record.ending_of(observed)
    committed = ending.committed if ending is not None else None
    return committed.uri if committed is not None and committed.unwritten_rows else None


def configure(observed: Observed) -> tuple[Action, ...]:
    """Plans to make sure of that Job's run config until its pod runs: a pass may have died before, or been refused."""
    job = observed.rows_job
    if uri_of(observed) is None or job is None or not job.ours or job.finished or job.deleting:
        return ()
    return () if any(pod.role and pod.started for pod in observed.pods) else (EnsureRunConfig(job),)


def write(observed: Observed, now: datetime) -> Carried:
    """Plans the Job that writes them, and waits for its end; one that can't be made is waited for for an hour."""
    uri, job, ending = uri_of(observed), observed.rows_job, record.ending_of(observed)
    if uri is None or ending is None:
        return Carried()
    if job is None:
        refused = observed.refused_rows
        if refused is None or now >= refused.again:
            return Carried(waits=True, actions=(WriteRows(observed.attempt, uri),))
        waits = now < parse_time(ending.time) + PATIENCE
        return Carried(waits=waits, trouble=_unwritten(uri, refused.message))
    if job.ours and not job.finished:
        return Carried(waits=True)
    if job.ours and not job.failed:
        return Carried()
    why = f"Job {job.name} couldn't write them; its log says why"
    if not job.ours:
        why = f'the Job "{job.name}" exists and isn\'t controlled by this TrainingJob: delete it'
    # What a deleted job of this name has left is being collected; anything else a person has to clear away.
    waits = not job.ours and now < parse_time(ending.time) + PATIENCE
    return Carried(waits=waits, trouble=_unwritten(uri, why))


def _unwritten(uri: str, why: str) -> tuple[Condition, ...]:
    rule = f"carries rows that aren't in the ledger: {why}"
    return (Condition(ConditionType.DEGRADED, True, Reason.ROWS_UNWRITTEN, at_field("committed.uri", rule, uri)),)
