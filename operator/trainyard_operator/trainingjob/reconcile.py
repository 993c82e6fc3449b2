"""The one decision: what a TrainingJob needs now.

Place in the data's way: station 2. Reads as a table of contents: keep the books, let go what is deleted, clear up what
has ended, otherwise judge the attempt, stop it or take it further, and say so in the status. Pure: `observe.py` looked,
`apply/` acts. Called by every trigger alike, so it decides from the state alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trainyard_api import names
from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.cluster.events import of_conditions
from trainyard_operator.money.booking import Books, keep_books
from trainyard_operator.money.prices import Prices
from trainyard_operator.money.rates import missing_price
from trainyard_operator.trainingjob.attempt import leaving, standing
from trainyard_operator.trainingjob.attempt.outcome import Run
from trainyard_operator.trainingjob.attempt.standing import Ended
from trainyard_operator.trainingjob.decision.actions import (
    Action,
    AddFinalizer,
    BookSpend,
    Plan,
    RecordCancel,
    ReleasePod,
)
from trainyard_operator.trainingjob.decision.events import of_actions, of_books
from trainyard_operator.trainingjob.decision.findings import Condition, Finding, Problem, degraded
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.decision.status import StatusDraft
from trainyard_operator.trainingjob.gates.before_start import before_start, resources_of
from trainyard_operator.trainingjob.life import carried_rows, deletion, lifecycle, reported, retention, stored
from trainyard_operator.trainingjob.life.situation import Situation
from trainyard_operator.trainingjob.stops.wanted import StopCause, is_cancelled, wanted


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
    keep_finished: timedelta = timedelta(days=1)
    """How long the Job and the pod of a job that has ended are kept."""


def decide(observed: Observed, context: Context) -> Plan:
    """Decides what to do about one TrainingJob."""
    books, cause = _books(observed, context), wanted(observed)
    money = _money(observed, books)
    if cause is StopCause.DELETED:
        ending = _unrecorded_end(observed, context)
        findings = [money, ending, deletion.decide(observed, books, context.now, on_record=ending == Finding())]
    elif standing.has_ended(observed):
        late = retention.decide(observed, context.keep_finished, context.now)
        findings = [money, late, retention.show_ledger(observed, books)]
    else:
        findings = [money, *_active(observed, books, cause, context)]
    return _merge(observed, books, findings, context.now)


def run_of(observed: Observed, default_image: str) -> Run:
    """Collects what is needed to judge the pods of this run."""
    metadata = observed.metadata
    image = observed.spec.trainer.image or default_image
    return Run(metadata.namespace, metadata.name, metadata.uid, observed.spec, image)


def _unrecorded_end(observed: Observed, context: Context) -> Finding:
    """Puts on record how the attempt of a deleted job has ended: the checkpoint that it named is claimed from there."""
    if standing.has_ended(observed) or observed.namespace_terminating:
        return Finding()
    view = standing.look(observed, run_of(observed, context.trainer_image), context.now)
    ended = isinstance(view, Ended) and not view.on_record
    return Finding(fields=standing.show(observed, view, context.now).fields) if ended else Finding()


def _books(observed: Observed, context: Context) -> Books:
    return keep_books(
        observed.account,
        context.prices,
        context.now,
        ledger_up=observed.ledger_up,
        refresh=context.refresh_cost and not standing.has_ended(observed),
        close_now=observed.namespace_terminating or deletion.overdue(observed, context.now),
    )


def _money(observed: Observed, books: Books) -> Finding:
    """Shows cost and budget, writes rows that the ledger lacks, and lets go the pods that are booked."""
    rows = tuple(BookSpend(spend) for spend in books.unwritten) if observed.ledger_up else ()
    booked = {spend.pod.uid for spend in books.settled}
    booked |= {pod.uid for pod in (observed.status.cost.settled_pods or [] if observed.status.cost else [])}
    free = (pod for pod in observed.pods if pod.held and (pod.uid in booked or (pod.over and not pod.bound)))
    conditions: tuple[Condition, ...] = ()
    if books.unpriced:
        price = missing_price(resources_of(observed.spec))
        conditions = (Condition(ConditionType.COST_KNOWN, False, Reason.NO_PRICE, price),)
    actions: tuple[Action, ...] = (*rows, *(ReleasePod(pod) for pod in free))
    return Finding(conditions, {"budget": _budget(observed), "cost": books.cost}, actions)


def _budget(observed: Observed) -> dict[str, object] | None:
    former = observed.raw_status.get("budget") or {}
    if observed.unreadable:
        # Not even an empty one: the schema would refuse the whole status.
        return dict(former) or None
    return {**former, "limitUSD": observed.spec.budget.max_cost_usd, "source": "Spec"}


def _active(observed: Observed, books: Books, cause: StopCause | None, context: Context) -> list[Finding]:
    """Looks at a job that goes on, in the order in which problems are shown; its life has the last word."""
    reviewed = observed.review_claims()
    view = standing.look(observed, run_of(observed, context.trainer_image), context.now)
    gate = before_start(observed, context.prices, read_nodes=context.read_nodes, view=view)
    held = names.SETTLEMENT_FINALIZER in observed.metadata.finalizers
    latch = is_cancelled(observed) and observed.status.cancel_time is None
    findings = [
        Finding(actions=(*(() if held else (AddFinalizer(),)), *((RecordCancel(),) if latch else ()))),
        Finding(actions=carried_rows.configure(observed)),
        _readable(observed),
        gate.finding,
        standing.show(observed, view, context.now),
        leaving.show(observed, context.now),
        stored.show(observed, reviewed, context.now),
        reported.show(observed, reviewed),
    ]
    life = lifecycle.decide(Situation(observed, cause, gate, view, reviewed, books, context.now))
    return [*findings, degraded(findings), life]


def _readable(observed: Observed) -> Finding:
    return Finding(problems=(Problem(Reason.INVALID_SPEC, observed.unreadable),) if observed.unreadable else ())


def _merge(observed: Observed, books: Books, findings: Sequence[Finding], now: datetime) -> Plan:
    """Makes the status and the plan of all findings, later ones over earlier ones."""
    draft = StatusDraft(observed.raw_status, generation=observed.metadata.generation, now=now)
    for finding in findings:
        for name, value in finding.fields.items():
            draft.put(name, value)
        for found in finding.conditions:
            draft.condition(found.kind, found.status, found.reason, found.message)
    actions: tuple[Action, ...] = ()
    for action in (action for finding in findings for action in finding.actions):
        actions = actions if action in actions else (*actions, action)
    before = {entry["type"]: entry for entry in observed.raw_status.get("conditions") or []}
    notes = (*of_actions(actions), *of_books(books), *of_conditions(before, draft.conditions()))
    return Plan(actions, draft.operator_half(), draft.budget_half(), notes)
