"""What must hold before an attempt may begin: a model, a price, the ledger.

Place in the data's way: station 2, before station 3. Each gate reports its own condition; what may still resolve is
waited for, what can't ends the job. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from trainyard_api.conditions import ConditionType, Reason
from trainyard_api.model_source import CheckpointSource
from trainyard_api.quantities import GIB, parse_quantity
from trainyard_api.training_job_spec import TrainingJobSpec
from trainyard_api.training_job_status import ModelReference
from trainyard_operator.cluster.messages import bounded
from trainyard_operator.cluster.pod import Resources
from trainyard_operator.money.prices import Prices
from trainyard_operator.money.rates import assumed_rate, missing_price
from trainyard_operator.trainingjob.attempt.outcome import Outcome
from trainyard_operator.trainingjob.attempt.record import record_of
from trainyard_operator.trainingjob.attempt.standing import AttemptView, NotBegun
from trainyard_operator.trainingjob.decision.findings import Condition, Finding, Problem
from trainyard_operator.trainingjob.decision.observed import Observed, SourceView
from trainyard_operator.trainingjob.gates.model_source import Never, Pinned, Resolution, Waiting, recheck, resolve

NO_LEDGER: Final = (
    "The operator can't reach its Postgres database; its log says why. Running pods go on; nothing new begins."
)
_UNWRITABLE: Final = (
    "The operator's Postgres database takes no rows; what pods cost waits in status.cost until it does. Running pods "
    "go on; nothing new begins. The server says: "
)


@dataclass(frozen=True)
class _Pin:
    """What has become of a reference to a checkpoint."""

    report: Condition
    reference: dict[str, Any] | None = None
    """To be written into the status, where it has just been resolved."""
    waits: str = ""
    final: Outcome | None = None


@dataclass(frozen=True)
class Gate:
    """Whether an attempt may begin."""

    finding: Finding
    """The condition of each gate, and the checkpoints that have just been pinned."""
    message: str = ""
    """Why it waits; empty: it may begin."""
    final: Outcome | None = None
    """Why it can never begin."""

    @property
    def open(self) -> bool:
        """Tells whether nothing stands in the way."""
        return not self.message and self.final is None


def before_start(observed: Observed, prices: Prices, *, read_nodes: bool, view: AttemptView) -> Gate:
    """Looks at the gates of the next start; once an attempt has begun, only at the ledger's."""
    trouble = ledger_trouble(observed)
    ledger = (Problem(Reason.DATABASE_UNAVAILABLE, trouble),) if trouble else ()
    if not isinstance(view, NotBegun) or observed.unreadable:
        return Gate(Finding(problems=ledger), message="begun")
    model, baseline = _model(observed), _baseline(observed)
    pins = {"modelRef": model} | ({} if baseline is None else {"baselineRef": baseline})
    waits = next((pin.waits for pin in pins.values() if pin.waits), "")
    # Of what happens after a first start only the trainer's own refusal is final: what is gone may come back.
    ended = next((pin.final for pin in pins.values() if pin.final is not None), None)
    final = None if record_of(observed).first_start_time is not None else ended
    gone = () if ended is None or final is not None else (Problem(ended.reason, ended.message),)
    resources = resources_of(observed.spec)
    selector = observed.spec.trainer.node_selector
    known = assumed_rate(prices, resources, selector, read_nodes=read_nodes).known
    price = missing_price(resources)
    cost = Condition(ConditionType.COST_KNOWN, True, Reason.PRICED)
    if not known:
        cost = Condition(ConditionType.COST_KNOWN, False, Reason.NO_PRICE, price)
    refused = price if not known and prices.unknown_price == "Refuse" else ""
    message = waits or refused or trouble
    references = {field: pin.reference for field, pin in pins.items() if pin.reference is not None}
    conditions = (*(pin.report for pin in pins.values()), cost)
    circles = (pin.report for pin in pins.values() if pin.report.reason == Reason.WAITING_IN_CIRCLE)
    problems = (*(Problem(each.reason, each.message) for each in circles), *gone, *ledger)
    return Gate(Finding(conditions, references, problems=problems), message, final)


def ledger_trouble(observed: Observed) -> str:
    """Says what is wrong with the ledger; empty: it can be read, and takes rows as far as is known."""
    if observed.claims is None:
        return NO_LEDGER
    refused = observed.refused_ledger
    return "" if refused is None else bounded(f"{_UNWRITABLE}{refused.message}")


def resources_of(spec: TrainingJobSpec) -> Resources:
    """Computes what the trainer pod will request."""
    gpus = spec.trainer.gpus
    return Resources(
        cpu=parse_quantity(spec.trainer.cpu),
        memory_gib=parse_quantity(spec.trainer.memory) / GIB,
        gpus=gpus.count if gpus else 0,
        gpu_product=gpus.product if gpus else None,
    )


def _model(observed: Observed) -> _Pin:
    source = observed.spec.model.checkpoint
    if source is None:
        return _Pin(Condition(ConditionType.MODEL_AVAILABLE, True, Reason.FROM_SPEC))
    pinned, own_name = observed.status.model_ref, observed.metadata.name
    if pinned is not None:
        return _pinned(ConditionType.MODEL_AVAILABLE, pinned, recheck(pinned, observed.pinned))
    return _resolved(ConditionType.MODEL_AVAILABLE, resolve(source, observed.source, own_name))


def _baseline(observed: Observed) -> _Pin | None:
    wanted = observed.spec.evaluation.baseline if observed.spec.evaluation else None
    if wanted is None:
        return None
    pinned, path = observed.status.baseline_ref, "spec.evaluation.baseline.checkpoint"
    if pinned is not None:
        return _pinned(ConditionType.BASELINE_AVAILABLE, pinned, recheck(pinned, observed.baseline, path))
    source, view = CheckpointSource(name=wanted.checkpoint), SourceView(checkpoint=observed.baseline)
    return _resolved(ConditionType.BASELINE_AVAILABLE, resolve(source, view, observed.metadata.name, path))


def _pinned(kind: ConditionType, reference: ModelReference, gone: Never | None) -> _Pin:
    if gone is not None:
        return _resolved(kind, gone)
    return _Pin(Condition(kind, True, Reason.PINNED, f"Checkpoint {reference.checkpoint} is pinned."))


def _resolved(kind: ConditionType, resolution: Resolution) -> _Pin:
    match resolution:
        case Pinned(reference):
            # Written first; the next pass starts from what the status holds.
            report = Condition(kind, True, Reason.PINNED, f"Checkpoint {reference.checkpoint} is pinned.")
            return _Pin(report, reference.to_wire(), f"Checkpoint {reference.checkpoint} has been pinned.")
        case Waiting(message, reason):
            return _Pin(Condition(kind, False, reason, message), None, message)
        case Never(message):
            report = Condition(kind, False, Reason.CHECKPOINT_UNAVAILABLE, message)
            return _Pin(report, None, message, Outcome(Reason.CHECKPOINT_UNAVAILABLE, message, final=True))
