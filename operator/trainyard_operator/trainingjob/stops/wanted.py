"""Whether a TrainingJob should run or stop, and why: the precedence of stops.

Place in the data's way: station 2. An ordered tuple of pure functions, one for each policy that may stop a job: the
first that has a cause wins. A stop overtaken by a stronger one changes its reason, not its work. Derived anew in each
pass, from the spec and the status alone.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from trainyard_operator.trainingjob.decision.observed import Observed


class StopCause(StrEnum):
    """Why a job's pods are stopped, the strongest first."""

    DELETED = "Deleted"
    CANCELLED = "Cancelled"
    SUSPENDED = "Suspended"


def is_cancelled(observed: Observed) -> bool:
    """Tells whether the job was ever cancelled: once is for ever, whatever is applied later."""
    return observed.status.cancel_time is not None or observed.spec.cancel is True


def wanted(observed: Observed) -> StopCause | None:
    """Finds why the job should stop; None: it should run."""
    return next((cause for cause, holds in _CAUSES if holds(observed)), None)


def _is_deleted(observed: Observed) -> bool:
    return observed.metadata.deletion_timestamp is not None or observed.namespace_terminating


def _is_suspended(observed: Observed) -> bool:
    return observed.spec.suspend is True


_CAUSES: Final[tuple[tuple[StopCause, Callable[[Observed], bool]], ...]] = (
    (StopCause.DELETED, _is_deleted),
    (StopCause.CANCELLED, is_cancelled),
    (StopCause.SUSPENDED, _is_suspended),
)
