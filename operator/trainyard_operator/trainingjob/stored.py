"""What has become of a run's claims to have committed checkpoints: objects, and refusals.

Place in the data's way: from station 9 back to station 2. Which claims are accepted is decided in
`checkpoint/claims.py`. Pure.
"""

from __future__ import annotations

from trainyard_api import names
from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.checkpoint.claims import ClaimsReview
from trainyard_operator.trainingjob.actions import StoreCheckpoint
from trainyard_operator.trainingjob.findings import Condition, Finding, Problem
from trainyard_operator.trainingjob.observed import Observed


def show(observed: Observed, reviewed: ClaimsReview) -> Finding:
    """Stores what isn't stored yet, names the latest, and reports a refusal."""
    conditions, fields = _latest(observed, reviewed)
    return Finding(
        conditions=conditions,
        fields=fields,
        actions=tuple(StoreCheckpoint(claim) for claim in (*reviewed.to_create, *reviewed.to_fill)),
        problems=_refusals(observed, reviewed),
    )


def _latest(observed: Observed, reviewed: ClaimsReview) -> tuple[tuple[Condition, ...], dict[str, dict[str, str]]]:
    latest = reviewed.latest
    if latest is None:
        if observed.claims is None:
            return (), {}
        return (Condition(ConditionType.CHECKPOINT_STORED, False, Reason.NONE_YET),), {}
    message = f"{len(reviewed.stored)} stored, the newest of step {latest.step}."
    stored = Condition(ConditionType.CHECKPOINT_STORED, True, Reason.STORED, message)
    name = latest.object_name(observed.metadata.name, observed.metadata.uid)
    return (stored,), {"latestCheckpointRef": {"name": name}}


def _refusals(observed: Observed, reviewed: ClaimsReview) -> tuple[Problem, ...]:
    child_name = names.child_job(observed.metadata.name, observed.attempt)
    refused = {**reviewed.refused, **{key: why for key, why in observed.refusals.items() if key != child_name}}
    return tuple(Problem(Reason.CHECKPOINT_REFUSED, message) for message in list(refused.values())[:1])
