"""Writing the status of a TrainingJob, each half at most once.

Place in the data's way: from station 2 to station 11. Money is written to the version that was observed, or to any
later one of this very object: the schema keeps sums from falling. All else is written only where a later one differs in
nothing that was decided upon: a pod reports as often as it likes, and starves nobody. What it says was decided
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from trainyard_api import names
from trainyard_operator.cluster.kube import TRAINING_JOBS, Kube, KubeError
from trainyard_operator.cluster.status import apply_status
from trainyard_operator.trainingjob.decision.actions import Plan
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.decision.status import halves

_TRIES: Final = 20
Rule = Callable[[Observed, Mapping[str, Any]], bool]
"""Of a job as it was observed and as it is now: whether it may still be written to."""


async def write(kube: Kube, observed: Observed, plan: Plan, version: str) -> str | None:
    """Applies the halves that have changed; returns the version that was made, None where neither had.

    Raises:
        KubeError: it was refused; a conflict where the job has changed since it was observed.
    """
    operator_half, budget_half = halves(observed.raw_status)
    latest, made = version, None
    # The money first: whoever reads that a job has ended reads what it has cost.
    if budget_half != plan.budget_half:
        money = await _rebased(kube, observed, plan.budget_half, latest, names.BUDGET_MANAGER, _is_the_same)
        latest = made = _version(money)
        if not _is_as_observed(observed, money):
            raise KubeError(409, "Conflict", "status: the job has changed since it was observed")
    if operator_half != plan.operator_half:
        written = await _rebased(kube, observed, plan.operator_half, latest, names.OPERATOR_MANAGER, _is_as_observed)
        made = _version(written)
    return made


async def _rebased(  # noqa: PLR0917 - what a write needs, each once
    kube: Kube, observed: Observed, half: Mapping[str, Any], version: str, manager: str, may_be: Rule
) -> dict[str, Any]:
    """Writes a half to a version, or to a later one of which the rule holds; returns the object that it made."""
    for _ in range(_TRIES):
        try:
            return await _apply(kube, observed, half, version, manager)
        except KubeError as error:
            if not error.conflict:
                raise
            current = await kube.get(TRAINING_JOBS.path(observed.metadata.namespace, observed.metadata.name))
            if current is None or not may_be(observed, current):
                raise
            version = current["metadata"]["resourceVersion"]
    raise KubeError(409, "Conflict", f"status: changed {_TRIES} times while it was written")


def _is_the_same(observed: Observed, current: Mapping[str, Any]) -> bool:
    """Tells whether an object is the observed one, whatever has become of it, and not a later one of its name."""
    return bool(current["metadata"]["uid"] == observed.metadata.uid)


def _is_as_observed(observed: Observed, current: Mapping[str, Any]) -> bool:
    """Tells whether an object differs from the observed one only in what this half doesn't depend on."""
    metadata, known = current["metadata"], observed.metadata
    same = (metadata["uid"], metadata["generation"], metadata.get("deletionTimestamp"))
    if same != (known.uid, known.generation, known.deletion_timestamp):
        return False
    status = current.get("status") or {}
    cancelled = ("cancelTime" in status) == (observed.status.cancel_time is not None)
    return cancelled and halves(status)[0] == halves(observed.raw_status)[0]


def _version(body: Mapping[str, Any]) -> str:
    return str(body["metadata"]["resourceVersion"])


async def _apply(kube: Kube, observed: Observed, half: Mapping[str, Any], version: str, manager: str) -> dict[str, Any]:
    return await apply_status(
        kube,
        TRAINING_JOBS,
        "TrainingJob",
        metadata=observed.metadata,
        version=version,
        status=half,
        manager=manager,
    )
