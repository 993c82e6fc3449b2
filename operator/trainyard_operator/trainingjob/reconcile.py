"""The one decision: what a TrainingJob needs now.

Place in the data's way: station 2. Reads as a table of contents: keep the books, let go what is deleted, tidy up what
has ended, otherwise judge the attempt, start it if nothing stands in the way, and say so in the status. Pure:
`observe.py` looked, `apply/` acts. Called by every trigger alike, so it decides from the state alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from trainyard_api import names
from trainyard_operator.cluster.events import of_conditions
from trainyard_operator.money.booking import Books, keep_books
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob import attempt, deletion, gates, lifecycle, reported, stored
from trainyard_operator.trainingjob.actions import AddFinalizer, Plan
from trainyard_operator.trainingjob.events import of_actions
from trainyard_operator.trainingjob.findings import Finding, degraded
from trainyard_operator.trainingjob.observed import Observed
from trainyard_operator.trainingjob.outcome import Run
from trainyard_operator.trainingjob.status import StatusDraft


@dataclass(frozen=True)
class Context:
    """What every decision needs besides the observation."""

    prices: Prices
    trainer_image: str
    """Image of pods whose spec names none."""
    read_nodes: bool
    now: datetime
    """Whole seconds."""
    refresh_cost: bool
    """Whether a new sum may be shown because time has passed."""


def decide(observed: Observed, context: Context) -> Plan:
    """Decides what to do about one TrainingJob."""
    books = _books(observed, context)
    money = Finding(fields={"budget": _budget(observed), "cost": books.cost}, actions=books.to_book)
    if observed.metadata.deletion_timestamp is not None or observed.namespace_terminating:
        findings = [money, deletion.decide(observed, books, context.now)]
    elif attempt.has_ended(observed):
        findings = [money, attempt.tidy(observed)]
    else:
        findings = [money, *_active(observed, books, context)]
    return _merge(observed, findings, context.now)


def run_of(observed: Observed, default_image: str) -> Run:
    """Collects what is needed to judge the pods of this run."""
    metadata = observed.metadata
    image = observed.spec.trainer.image or default_image
    return Run(metadata.namespace, metadata.name, metadata.uid, observed.spec, image)


def _books(observed: Observed, context: Context) -> Books:
    return keep_books(
        observed.account,
        context.prices,
        context.now,
        ledger_up=observed.claims is not None,
        refresh=context.refresh_cost and not attempt.has_ended(observed),
        close_now=observed.namespace_terminating or deletion.overdue(observed, context.now),
        at_once=observed.namespace_terminating,
    )


def _budget(observed: Observed) -> dict[str, object]:
    former = observed.raw_status.get("budget") or {}
    return {**former, "limitUSD": observed.spec.budget.max_cost_usd, "source": "Spec"}


def _active(observed: Observed, books: Books, context: Context) -> list[Finding]:
    """Looks at a job that goes on, in the order in which problems are shown; its life has the last word."""
    reviewed = observed.review_claims()
    view = attempt.look(observed, run_of(observed, context.trainer_image), context.now)
    gate = gates.before_start(observed, context.prices, read_nodes=context.read_nodes, begun=view.begun)
    held = names.SETTLEMENT_FINALIZER in observed.metadata.finalizers
    findings = [
        Finding(actions=() if held else (AddFinalizer(),)),
        gate.finding,
        attempt.show(observed, view, context.now),
        stored.show(observed, reviewed),
        reported.show(observed, reviewed),
    ]
    life = lifecycle.decide(observed, gate, view, reviewed, books=books, now=context.now)
    return [*findings, degraded(findings), life]


def _merge(observed: Observed, findings: Sequence[Finding], now: datetime) -> Plan:
    """Makes the status and the plan of all findings, later ones over earlier ones."""
    draft = StatusDraft(observed.raw_status, generation=observed.metadata.generation, now=now)
    for finding in findings:
        for name, value in finding.fields.items():
            draft.put(name, value)
        for found in finding.conditions:
            draft.condition(found.kind, found.status, found.reason, found.message)
    actions = tuple(action for finding in findings for action in finding.actions)
    before = {entry["type"]: entry for entry in observed.raw_status.get("conditions") or []}
    notes = (*of_actions(actions), *of_conditions(before, draft.conditions()))
    return Plan(actions, draft.operator_half(), draft.budget_half(), notes)
