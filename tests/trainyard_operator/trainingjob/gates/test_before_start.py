"""Claims about what must hold before a start."""

from __future__ import annotations

from typing import Any

from tests.trainyard_operator.builders import TABLE, checkpoint, child, claim, observed, running_status, time_text
from trainyard_api.conditions import ConditionType
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob.attempt.standing import AttemptView, NotBegun, Waiting
from trainyard_operator.trainingjob.decision.findings import Condition
from trainyard_operator.trainingjob.decision.observed import SourceView
from trainyard_operator.trainingjob.gates.before_start import Gate, before_start, resources_of

GPU = {"trainer": {"gpus": {"product": "X", "count": 2}}}
BEGUN = Waiting(child())
FROM_CHECKPOINT = {"model": {"checkpoint": {"name": "mine"}}}


def _gate(prices: Prices = TABLE, *, view: AttemptView | None = None, **around: Any) -> Gate:
    return before_start(observed(**around), prices, read_nodes=True, view=view or NotBegun())


def _pinned(**references: Any) -> dict[str, Any]:
    """The status of a job that waits for its first start."""
    return {"observedGeneration": 1} | references


def _reported(gate: Gate) -> dict[str, tuple[str, str]]:
    return {found.kind: (str(found.status), found.reason) for found in gate.finding.conditions}


def test_with_model_price_and_ledger_the_gate_is_open() -> None:
    """And it says so in the conditions."""
    gate = _gate()
    assert gate.open
    assert _reported(gate) == {"ModelAvailable": ("True", "FromSpec"), "CostKnown": ("True", "Priced")}


def test_an_unknown_price_refuses_the_start_unless_it_is_allowed() -> None:
    """Either way CostKnown is False and names the product."""
    refused = _gate(spec=GPU)
    assert not refused.open
    assert refused.message.endswith('got "X"')
    allowed = _gate(TABLE.model_copy(update={"unknown_price": "Allow"}), spec=GPU)
    assert allowed.open
    for gate in (refused, allowed):
        assert _reported(gate)[ConditionType.COST_KNOWN] == ("False", "NoPrice")


def test_without_the_ledger_nothing_begins() -> None:
    """A run that isn't in it would fence no predecessor."""
    gate = _gate(claims=None)
    assert not gate.open
    assert [p.reason for p in gate.finding.problems] == ["DatabaseUnavailable"]
    assert [p.reason for p in _gate(claims=None, view=BEGUN).finding.problems] == ["DatabaseUnavailable"]


def test_a_checkpoint_is_pinned_first_and_started_from_in_a_later_pass() -> None:
    """So that what is started from is always what the status holds."""
    ready = checkpoint(claim(), name="mine")
    found = _gate(spec=FROM_CHECKPOINT, source=SourceView(checkpoint=ready))
    assert not found.open
    assert "modelRef" in found.finding.fields
    pinned = _pinned(modelRef=found.finding.fields["modelRef"])
    assert _gate(spec=FROM_CHECKPOINT, status=pinned, pinned=ready).open


def test_a_checkpoint_that_isnt_there_is_waited_for_or_given_up() -> None:
    """Waiting closes the gate; never ends the job."""
    waiting = _gate(spec=FROM_CHECKPOINT)
    assert (waiting.open, waiting.final) == (False, None)
    assert _reported(waiting)[ConditionType.MODEL_AVAILABLE] == ("False", "WaitingForCheckpoint")
    reference = {"checkpoint": "mine", "uid": "gone", "digest": claim().digest}
    gone = _gate(spec=FROM_CHECKPOINT, status=_pinned(modelRef=reference))
    assert gone.final is not None
    assert gone.final.reason == "CheckpointUnavailable"


def test_once_a_trainer_has_started_a_checkpoint_that_is_gone_is_waited_for() -> None:
    """Somebody may put it back; only the trainer's own refusal is final by then."""
    reference = {"checkpoint": "mine", "uid": "gone", "digest": claim().digest}
    again = running_status(modelRef=reference, attempts=2, podRef=None, jobRef=None)
    again["attempt"] = {"number": 2, "firstStartTime": time_text(-90)}
    gate = _gate(spec=FROM_CHECKPOINT, status={name: part for name, part in again.items() if part is not None})
    assert (gate.open, gate.final) == (False, None)
    assert _reported(gate)[ConditionType.MODEL_AVAILABLE] == ("False", "CheckpointUnavailable")


def test_jobs_that_wait_for_each_other_are_told_so() -> None:
    """Nothing else would ever show it."""
    job = observed().job.model_copy(update={"status": None})
    circle = SourceView(job, circle=("sums", "other", "sums"))
    gate = _gate(spec={"model": {"checkpoint": {"trainingJob": "other"}}}, source=circle)
    assert [problem.reason for problem in gate.finding.problems] == ["WaitingInCircle"]
    assert "sums -> other -> sums" in gate.message
    assert _reported(gate)[ConditionType.MODEL_AVAILABLE] == ("False", "WaitingInCircle")


def test_of_a_manifest_that_cant_be_read_no_gate_is_judged() -> None:
    """Neutral values stand in for what it lacks; their model and price mean nothing."""
    gate = _gate(spec=GPU, unreadable="spec.model: must be set")
    assert (gate.open, gate.final, _reported(gate)) == (False, None, {})


def test_an_evaluation_waits_for_both_checkpoints() -> None:
    """The baseline is pinned like the model, reported by a condition of its own, and named by its own field."""
    spec = {"algorithm": {"type": "Evaluation"}, "evaluation": {"baseline": {"checkpoint": "other"}}}
    waiting = _gate(spec=spec)
    assert not waiting.open
    assert waiting.message.startswith("spec.evaluation.baseline.checkpoint: waiting")
    assert _reported(waiting)[ConditionType.BASELINE_AVAILABLE] == ("False", "WaitingForCheckpoint")
    ready = checkpoint(claim(), name="other")
    found = _gate(spec=spec, baseline=ready)
    pinned = _pinned(baselineRef=found.finding.fields["baselineRef"])
    assert _gate(spec=spec, status=pinned, baseline=ready).open
    assert _gate(spec=spec, status=pinned).final is not None


def test_once_begun_prices_are_looked_at_no_more() -> None:
    """A table that changes under a running pod doesn't unsettle its rate."""
    assert _reported(_gate(spec=GPU, view=BEGUN)) == {}


def test_the_pods_requests_are_the_specs() -> None:
    """Cores, GiB, GPUs."""
    found = resources_of(observed(spec={"trainer": GPU["trainer"] | {"cpu": "500m", "memory": "512Mi"}}).spec)
    assert (str(found.cpu), float(found.memory_gib), found.gpus, found.gpu_product) == ("0.500", 0.5, 2, "X")


REFERENCE = {"checkpoint": "mine", "uid": "checkpoint-uid", "digest": claim().digest}
BASELINE = {"algorithm": {"type": "Evaluation"}, "evaluation": {"baseline": {"checkpoint": "other"}}}


def test_what_is_pinned_is_reported_with_its_name() -> None:
    """When it is found, and from then on; of the baseline by a condition of its own."""
    ready = checkpoint(claim(), name="mine")
    found = _gate(spec=FROM_CHECKPOINT, source=SourceView(checkpoint=ready))
    kept = _gate(spec=FROM_CHECKPOINT, status=_pinned(modelRef=REFERENCE), pinned=ready)
    pinned = Condition(ConditionType.MODEL_AVAILABLE, True, "Pinned", "Checkpoint mine is pinned.")
    assert pinned in found.finding.conditions
    assert pinned in kept.finding.conditions
    assert found.message == "Checkpoint mine has been pinned."
    assert found.finding.fields == {"modelRef": REFERENCE}
    other = REFERENCE | {"checkpoint": "other"}
    mine = checkpoint(claim(), name="other")
    again = _gate(spec=BASELINE, status=_pinned(baselineRef=other), baseline=mine)
    report = Condition(ConditionType.BASELINE_AVAILABLE, True, "Pinned", "Checkpoint other is pinned.")
    assert report in again.finding.conditions
    assert again.finding.fields == {}
    fresh = _gate(spec=BASELINE, baseline=mine)
    assert report in fresh.finding.conditions


def test_what_is_waited_for_or_lost_is_reported_with_its_message() -> None:
    """False, with the reason; only what can never come ends a job."""
    waiting = _gate(spec=FROM_CHECKPOINT)
    (report,) = (c for c in waiting.finding.conditions if c.kind is ConditionType.MODEL_AVAILABLE)
    assert (report.status, report.reason, report.message) == (False, "WaitingForCheckpoint", waiting.message)
    lost = _gate(spec=FROM_CHECKPOINT, status=_pinned(modelRef=REFERENCE | {"uid": "gone"}))
    (report,) = (c for c in lost.finding.conditions if c.kind is ConditionType.MODEL_AVAILABLE)
    assert (report.status, report.reason, report.message) == (False, "CheckpointUnavailable", lost.message)
    assert lost.final is not None
    assert (lost.final.final, lost.final.message) == (True, lost.message)
    without = _gate(spec=BASELINE, status=_pinned(baselineRef=REFERENCE))
    assert without.final is not None
    assert without.final.message.startswith("spec.evaluation.baseline.checkpoint: ")
    own = _gate(spec={"model": {"checkpoint": {"trainingJob": "sums"}}})
    assert own.final is not None


def test_a_baseline_of_the_jobs_own_name_is_another_object() -> None:
    """It names a Checkpoint, not a job."""
    spec = {"algorithm": {"type": "Evaluation"}, "evaluation": {"baseline": {"checkpoint": "sums"}}}
    assert _gate(spec=spec, baseline=checkpoint(claim(), name="sums")).final is None
