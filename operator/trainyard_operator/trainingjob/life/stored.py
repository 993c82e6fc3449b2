"""What has become of a run's claims to have committed checkpoints: objects, and refusals.

Place in the data's way: from station 9 back to station 2. Which claims are accepted is decided in
`checkpoint/claims.py`. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.checkpoint.claims import ClaimsReview
from trainyard_operator.cluster.clock import parse_time
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.trainingjob.attempt.record import ending_of
from trainyard_operator.trainingjob.decision.actions import StoreCheckpoint
from trainyard_operator.trainingjob.decision.findings import Condition, Finding, Problem
from trainyard_operator.trainingjob.decision.observed import Observed


def show(observed: Observed, reviewed: ClaimsReview, now: datetime) -> Finding:
    """Stores what isn't stored yet, names the latest, and reports a refusal, of an object or of a row."""
    conditions, fields = _latest(observed, reviewed)
    return Finding(
        conditions=conditions,
        fields=fields,
        actions=stores(observed, reviewed, now),
        problems=(*refusals(observed, reviewed), *lost(observed)),
    )


def stores(observed: Observed, reviewed: ClaimsReview, now: datetime) -> tuple[StoreCheckpoint, ...]:
    """Plans the objects of accepted claims; one that was refused rests before it is tried again."""
    due = (*reviewed.to_create, *reviewed.to_fill)
    refused = observed.refused_stores
    return tuple(StoreCheckpoint(c) for c in due if c.uri not in refused or now >= refused[c.uri].again)


def refusals(observed: Observed, reviewed: ClaimsReview) -> tuple[Problem, ...]:
    """Finds the first claim that was refused, by our rules or by the API server."""
    waiting = {claim.uri for claim in (*reviewed.to_create, *reviewed.to_fill)}
    refused = [refusal.message for uri, refusal in observed.refused_stores.items() if uri in waiting]
    return tuple(Problem(Reason.CHECKPOINT_REFUSED, message) for message in [*reviewed.refused.values(), *refused][:1])


def claim_of(reviewed: ClaimsReview, uri: str | None) -> Claim | None:
    """Finds the accepted claim of a folder."""
    return next((claim for claim in reviewed.accepted if claim.uri == uri), None)


def unclaimed(observed: Observed, now: datetime) -> Claim | None:
    """Makes the claim that an ended trainer couldn't write; one that was refused rests before it is tried again."""
    claim = _lacking(observed) if observed.ledger_up else None
    refused = None if claim is None else observed.refused_claims.get(claim.uri)
    return None if refused is not None and now < refused.again else claim


def lost(observed: Observed) -> tuple[Problem, ...]:
    """Finds a claim that the ledger can't take; nothing waits for it."""
    claim = _lacking(observed)
    refused = None if claim is None else observed.refused_claims.get(claim.uri)
    return () if refused is None else (Problem(Reason.CLAIM_REFUSED, refused.message),)


def _lacking(observed: Observed) -> Claim | None:
    """Makes the claim of what an ended trainer named, where the ledger lacks it and a row of it would count."""
    ending = ending_of(observed)
    committed = None if ending is None else ending.committed
    if ending is None or committed is None or observed.claims is None:
        return None
    if any(claim.uri == committed.uri for claim in observed.claims):
        return None
    claim = Claim(
        uri=committed.uri,
        run_uid=observed.metadata.uid,
        attempt=observed.attempt,
        step=committed.step,
        digest=committed.digest,
        size_bytes=committed.size_bytes,
        metrics=committed.metrics,
        committed_time=parse_time(ending.time),
        updates=committed.updates,
    )
    # User code may name any numbers: the ledger would refuse them at every pass.
    return claim if claim in replace(observed, claims=(claim,)).review_claims().accepted else None


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
