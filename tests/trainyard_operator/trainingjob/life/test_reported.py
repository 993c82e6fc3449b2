"""Claims about what the operator makes of the pod's own reports."""

from __future__ import annotations

from typing import Any

from tests.contract.bases import evaluation
from tests.trainyard_operator.builders import (
    NAME,
    UID,
    checkpoint,
    claim,
    conditions,
    decide,
    observed,
    pod,
    running_status,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.trainingjob.decision.actions import CopyEvaluation
from trainyard_operator.trainingjob.decision.findings import Condition, Finding
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.life.reported import evaluation as copies
from trainyard_operator.trainingjob.life.reported import show


def _running(progress: dict[str, Any], **around: Any) -> Observed:
    return observed(status=running_status(progress=progress), pods=(pod(),), **around)


def _shown(seen: Observed) -> Finding:
    return show(seen, seen.review_claims())


def _conditions(seen: Observed) -> dict[str, Condition]:
    return {found.kind: found for found in _shown(seen).conditions}


def test_the_best_checkpoint_counts_only_where_it_is_stored() -> None:
    """A pod may name any URI; only one of an accepted claim with its object is shown."""
    stored, unknown = claim(5), claim(7)
    for best, shown in ((stored, {"name": stored.object_name(NAME, UID)}), (unknown, None)):
        reported = {"step": best.step, "uri": best.uri, "digest": best.digest}
        seen = _running({"bestCheckpoint": reported}, claims=(stored,), checkpoints=(checkpoint(stored),))
        assert _shown(seen).fields.get("bestCheckpointRef") == shown


def test_a_slower_sampler_is_a_condition() -> None:
    """True while the decode loop agrees with the model; False with what the self-check measured."""
    plan = decide(_running({"sampler": {"kind": "WholeBatch", "message": "off by 17 nats"}}, node_labels={}))
    found = conditions(plan)[ConditionType.SAMPLER_VERIFIED]
    assert (found["status"], found["reason"], found["message"]) == ("False", "WholeBatchFallback", "off by 17 nats")
    verified = _conditions(_running({"sampler": {"kind": "Slots"}}))[ConditionType.SAMPLER_VERIFIED]
    assert (verified.status, verified.reason) == (True, "SelfCheckPassed")


def test_a_grace_that_saving_may_exceed_is_a_condition() -> None:
    """Twice the measured time must fit; without a measurement nothing is claimed."""
    for took, status, reason in (("2.49", True, "SavesInTime"), ("2.50", False, "GraceTooShort")):
        found = _conditions(_running({"saveSeconds": took}))[ConditionType.STOP_GRACE_SUFFICIENT]
        assert (found.status, found.reason) == (status, reason)
    assert found.message.startswith("spec.checkpoints.stopGraceSeconds: must exceed twice the 2.50 s ")
    assert found.message.endswith('; got "5"')
    assert ConditionType.STOP_GRACE_SUFFICIENT not in _conditions(_running({"step": 1}))


def test_what_was_measured_goes_onto_the_checkpoint_that_it_is_about() -> None:
    """The last one of a training run; of an evaluation, the one that was measured; none for other models."""
    final = claim(10)
    trained = _running({"evaluation": evaluation()})
    assert copies(trained, final) == (CopyEvaluation(final.object_name(NAME, UID), evaluation()),)
    reference = {"checkpoint": "theirs", "uid": "uid-9", "digest": final.digest}
    only = observed(status=running_status(progress={"evaluation": evaluation()}, modelRef=reference))
    assert copies(only, None) == (CopyEvaluation("theirs", evaluation()),)
    assert copies(trained, None) == copies(_running({}), final) == ()
