"""What must hold before an attempt may begin: a model, a price, the ledger.

Place in the data's way: station 2, before station 3. Each gate reports its own condition; what may still resolve is
waited for, what can't ends the job. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainyard_api.conditions import ConditionType, Reason
from trainyard_api.training_job_spec import TrainingJobSpec
from trainyard_operator.attempt import Problem
from trainyard_operator.cost import assumed_rate, missing_price
from trainyard_operator.model_source import Never, Pinned, Waiting, recheck, resolve
from trainyard_operator.outcome import Outcome
from trainyard_operator.plan import Observed
from trainyard_operator.pod import Resources
from trainyard_operator.prices import Prices
from trainyard_operator.quantities import GIB, parse_quantity
from trainyard_operator.status import StatusDraft

NO_LEDGER = "The operator can't reach its Postgres database; its log says why. Running pods go on; nothing new begins."


@dataclass(frozen=True)
class _Report:
    kind: ConditionType
    status: bool
    reason: Reason
    message: str = ""


@dataclass(frozen=True)
class Gate:
    """Whether an attempt may begin."""

    reports: tuple[_Report, ...]
    model_ref: dict[str, Any] | None
    message: str = ""
    """Why it waits; empty: it may begin."""
    problems: tuple[Problem, ...] = ()
    final: Outcome | None = None
    """Why it can never begin."""

    @property
    def open(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.message and self.final is None

    def report(self, draft: StatusDraft) -> None:
        """Writes what the gates found into the status."""
        for report in self.reports:
            draft.condition(report.kind, report.status, report.reason, report.message)
        if self.model_ref is not None:
            draft.put("modelRef", self.model_ref)


def before_start(observed: Observed, prices: Prices, *, read_nodes: bool, begun: bool) -> Gate:
    """The gates of the next start; once an attempt has begun, only the ledger's is looked at."""
    ledger = () if observed.claims is not None else (Problem(Reason.DATABASE_UNAVAILABLE, NO_LEDGER),)
    if begun:
        return Gate((), None, message="begun", problems=ledger)
    model, model_ref, waits, final = _model(observed)
    resources = resources_of(observed.spec)
    selector = observed.spec.trainer.node_selector
    known = assumed_rate(prices, resources, selector, read_nodes=read_nodes).known
    price = missing_price(resources)
    cost = _Report(ConditionType.COST_KNOWN, True, Reason.PRICED)
    if not known:
        cost = _Report(ConditionType.COST_KNOWN, False, Reason.NO_PRICE, price)
    refused = price if not known and prices.unknown_price == "Refuse" else ""
    message = waits or refused or (NO_LEDGER if ledger else "")
    return Gate((model, cost), model_ref, message, ledger, final)


def resources_of(spec: TrainingJobSpec) -> Resources:
    """What the trainer pod will request."""
    gpus = spec.trainer.gpus
    return Resources(
        cpu=parse_quantity(spec.trainer.cpu),
        memory_gib=parse_quantity(spec.trainer.memory) / GIB,
        gpus=gpus.count if gpus else 0,
        gpu_product=gpus.product if gpus else None,
    )


def _model(observed: Observed) -> tuple[_Report, dict[str, Any] | None, str, Outcome | None]:
    kind = ConditionType.MODEL_AVAILABLE
    source = observed.spec.model.checkpoint
    if source is None:
        return _Report(kind, True, Reason.FROM_SPEC), None, "", None
    pinned = observed.status.model_ref
    if pinned is not None:
        gone = recheck(pinned, observed.pinned)
        if gone is None:
            return _Report(kind, True, Reason.PINNED, f"Checkpoint {pinned.checkpoint} is pinned."), None, "", None
        return _never(gone)
    match resolve(source, observed.source, observed.metadata.name):
        case Pinned(reference):
            # Written first; the next pass starts from what the status holds.
            report = _Report(kind, True, Reason.PINNED, f"Checkpoint {reference.checkpoint} is pinned.")
            return report, reference.to_wire(), "The checkpoint to start from has been pinned.", None
        case Waiting(message):
            return _Report(kind, False, Reason.WAITING_FOR_CHECKPOINT, message), None, message, None
        case Never() as never:
            return _never(never)


def _never(never: Never) -> tuple[_Report, None, str, Outcome]:
    report = _Report(ConditionType.MODEL_AVAILABLE, False, Reason.CHECKPOINT_UNAVAILABLE, never.message)
    return report, None, never.message, Outcome(Reason.CHECKPOINT_UNAVAILABLE, never.message)
