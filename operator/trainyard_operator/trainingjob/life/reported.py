"""What the operator makes of the pod's own reports: best checkpoint, sampler, measurements, whether a stop can save.

Place in the data's way: station 11. The pod runs user code, so a report counts only as far as it names what the ledger
and the API server know. Pure.
"""

from __future__ import annotations

from decimal import Decimal

from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.checkpoint.claims import ClaimsReview
from trainyard_operator.cluster.messages import at_field
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.trainingjob.decision.actions import CopyEvaluation
from trainyard_operator.trainingjob.decision.findings import Condition, Finding
from trainyard_operator.trainingjob.decision.observed import Observed


def show(observed: Observed, reviewed: ClaimsReview) -> Finding:
    """Finds what follows from the pod's progress."""
    progress = observed.status.progress
    if progress is None:
        return Finding()
    conditions: list[Condition] = []
    if progress.sampler is not None:
        slots = progress.sampler.kind == "Slots"
        reason = Reason.SELF_CHECK_PASSED if slots else Reason.WHOLE_BATCH_FALLBACK
        conditions.append(Condition(ConditionType.SAMPLER_VERIFIED, slots, reason, progress.sampler.message))
    if progress.save_seconds is not None:
        conditions.append(_grace(observed.grace_seconds, Decimal(progress.save_seconds)))
    best = progress.best_checkpoint
    claim = next((claim for claim in reviewed.stored if best is not None and claim.uri == best.uri), None)
    if claim is None:
        return Finding(tuple(conditions))
    name = claim.object_name(observed.metadata.name, observed.metadata.uid)
    return Finding(tuple(conditions), {"bestCheckpointRef": {"name": name}})


def evaluation(observed: Observed, final: Claim | None) -> tuple[CopyEvaluation, ...]:
    """Plans to copy the evaluation onto a Checkpoint: the run's last one, or the one that it only evaluated."""
    progress, measured = observed.status.progress, observed.status.model_ref
    if progress is None or progress.evaluation is None:
        return ()
    name = measured.checkpoint if measured is not None else None
    if final is not None:
        name = final.object_name(observed.metadata.name, observed.metadata.uid)
    return () if name is None else (CopyEvaluation(name, progress.evaluation.to_wire()),)


def _grace(grace: int, took: Decimal) -> Condition:
    """Compares the grace, in seconds, with twice the time that saving took.

    A stop waits for the pass or turn under way before it saves, and a bucket is slower at times.
    """
    if grace > 2 * took:
        return Condition(ConditionType.STOP_GRACE_SUFFICIENT, True, Reason.SAVES_IN_TIME)
    rule = f"must exceed twice the {took} s that saving a checkpoint took, or a stop may lose the newest work"
    message = at_field("spec.checkpoints.stopGraceSeconds", rule, str(grace))
    return Condition(ConditionType.STOP_GRACE_SUFFICIENT, False, Reason.GRACE_TOO_SHORT, message)
