"""The one decision: what a job needs now.

Place in the data's way: station 2. Reads as a table of contents: finish what has ended, let go what is deleted,
otherwise judge the attempt, start it if nothing stands in the way, and say so in the status. Pure: `observe.py` looked,
`apply.py` acts. Called by every trigger alike, so it decides from the state alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from trainyard_api import names
from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.checkpoint import claims
from trainyard_operator.cluster.clock import format_time
from trainyard_operator.cluster.events import EventNote, of_conditions
from trainyard_operator.money.booking import Books, keep_books
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob import attempt, deletion, gates, reported
from trainyard_operator.trainingjob.actions import Action, AddFinalizer, EndRun, Plan, StartAttempt, StoreCheckpoint
from trainyard_operator.trainingjob.events import of_actions
from trainyard_operator.trainingjob.observed import Observed
from trainyard_operator.trainingjob.outcome import Outcome, Run, unclaimed
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
    draft = StatusDraft(observed.raw_status, generation=observed.metadata.generation, now=context.now)
    draft.put(
        "budget", {**(draft.get("budget") or {}), "limitUSD": observed.spec.budget.max_cost_usd, "source": "Spec"}
    )
    deleted = observed.metadata.deletion_timestamp is not None
    books = keep_books(
        observed.account,
        context.prices,
        context.now,
        ledger_up=observed.claims is not None,
        refresh=context.refresh_cost and not attempt.has_ended(observed),
        close_now=observed.namespace_terminating or deletion.overdue(observed, context.now),
        at_once=observed.namespace_terminating,
    )
    draft.put("cost", books.cost)
    if deleted or observed.namespace_terminating:
        actions = deletion.decide(observed, books, draft, context.now)
    elif attempt.has_ended(observed):
        actions = _tidy(observed)
    else:
        actions = _active(observed, books, draft, context)
    actions = (*books.to_book, *actions)
    before = {entry["type"]: entry for entry in observed.raw_status.get("conditions") or []}
    notes: list[EventNote] = [*of_actions(actions), *of_conditions(before, draft.conditions())]
    return Plan(actions, draft.operator_half(), draft.budget_half(), tuple(notes))


def run_of(observed: Observed, default_image: str) -> Run:
    """What is needed to judge the pods of this run."""
    metadata = observed.metadata
    image = observed.spec.trainer.image or default_image
    return Run(metadata.namespace, metadata.name, metadata.uid, observed.spec, image)


def _tidy(observed: Observed) -> tuple[Action, ...]:
    """What remains of a job that has ended: booked pods are released, a child that could still make pods goes."""
    return (*attempt.stop_if_alive(observed), *attempt.releases(observed))


def _active(observed: Observed, books: Books, draft: StatusDraft, context: Context) -> tuple[Action, ...]:
    metadata = observed.metadata
    reviewed = observed.review_claims()
    _report_checkpoints(observed, reviewed, draft)
    reported.show(observed, reviewed, draft)
    view = attempt.look(observed, run_of(observed, context.trainer_image), context.now)
    gate = gates.before_start(observed, context.prices, read_nodes=context.read_nodes, begun=view.begun)
    gate.report(draft)
    first: tuple[Action, ...] = ()
    if names.SETTLEMENT_FINALIZER not in metadata.finalizers:
        first = (AddFinalizer(),)
    stores: tuple[Action, ...] = tuple(StoreCheckpoint(c) for c in (*reviewed.to_create, *reviewed.to_fill))
    if view.pod is not None:
        draft.put("podRef", {"name": view.pod.name, "uid": view.pod.uid})
    if view.pod is not None or (observed.child is not None and observed.child.ours):
        # The pass that made the child may have ended before it could say so.
        _report_start(observed, draft, context.now)
    problems = (*gate.problems, *view.problems, *_claim_problems(observed, reviewed))
    _report_problems(draft, problems)
    outcome = gate.final or view.outcome
    if outcome is not None:
        done = books.open_pods == () and reviewed.complete and observed.claims is not None and view.pods_gone
        return (*first, *stores, *_end(observed, outcome, reviewed, draft, context, done=done))
    if not view.begun and gate.open and not view.problems:
        refused = observed.refusals.get(names.child_job(metadata.name, observed.attempt))
        if refused is not None and observed.reported(ConditionType.DEGRADED).get("message") != refused:
            # Said first, then tried again: a refused pass writes no status.
            _report_problems(draft, (attempt.Problem(Reason.START_REFUSED, refused),))
            _summarise(draft, None, Reason.QUEUED, refused)
            return (*first, *stores)
        _report_start(observed, draft, context.now)
        _summarise(draft, None, Reason.STARTING, "The trainer pod is being made.")
        return (*first, *stores, StartAttempt(observed.attempt))
    reason, message = (view.reason, view.message) if view.begun else (Reason.QUEUED, gate.message or view.message)
    _summarise(draft, None, reason, message)
    return (*first, *stores, *view.actions)


def _report_start(observed: Observed, draft: StatusDraft, now: datetime) -> None:
    draft.put("attempts", observed.attempt)
    draft.put("jobRef", {"name": names.child_job(observed.metadata.name, observed.attempt)})
    draft.put("startTime", draft.get("startTime") or format_time(now))


def _end(
    observed: Observed,
    outcome: Outcome,
    reviewed: claims.ClaimsReview,
    draft: StatusDraft,
    context: Context,
    *,
    done: bool,
) -> tuple[Action, ...]:
    """The attempt's end is known: pods are stopped, spend is booked, checkpoints are made; then the job has ended."""
    if outcome.success and not done:
        _summarise(draft, None, Reason.RUNNING, f"{outcome.message} Its cost and what it left are recorded.")
        return ()
    final = next((claim for claim in reviewed.stored if claim.uri == outcome.committed_uri), None)
    if outcome.success and (final is not None or outcome.committed_uri is None):
        draft.put("completionTime", format_time(context.now))
        _summarise(draft, True, Reason(outcome.reason), outcome.message)
        return (*reported.evaluation(observed, final), EndRun(outcome.reason))
    if outcome.success:
        # Its pod has ended, so no row of that checkpoint will ever come.
        outcome = unclaimed(outcome)
    draft.condition(ConditionType.STALLED, True, outcome.reason, outcome.message)
    stop = attempt.stop_if_alive(observed)
    if stop or not done:
        _summarise(draft, None, Reason.STOPPING, outcome.message)
        # The verdict must be on record before the evidence may go.
        on_record = observed.reported(ConditionType.STALLED).get("status") == "True"
        return (*stop, *attempt.releases(observed)) if on_record else ()
    draft.put("completionTime", format_time(context.now))
    _summarise(draft, False, Reason.FAILED, outcome.message)
    return (EndRun(outcome.reason),)


def _summarise(draft: StatusDraft, status: bool | None, reason: Reason, message: str) -> None:
    draft.condition(ConditionType.SUCCEEDED, status, reason, message)
    if status is None:
        draft.condition(ConditionType.RECONCILING, True, reason, message)
    else:
        draft.condition(ConditionType.RECONCILING, False, Reason.AS_EXPECTED)
    if ConditionType.STALLED not in draft.conditions():
        draft.condition(ConditionType.STALLED, False, Reason.AS_EXPECTED)


def _report_checkpoints(observed: Observed, reviewed: claims.ClaimsReview, draft: StatusDraft) -> None:
    latest = reviewed.latest
    if latest is None:
        if observed.claims is not None:
            draft.condition(ConditionType.CHECKPOINT_STORED, False, Reason.NONE_YET)
        return
    name = latest.object_name(observed.metadata.name, observed.metadata.uid)
    draft.put("latestCheckpointRef", {"name": name})
    count = len(reviewed.stored)
    draft.condition(
        ConditionType.CHECKPOINT_STORED, True, Reason.STORED, f"{count} stored, the newest of step {latest.step}."
    )


def _claim_problems(observed: Observed, reviewed: claims.ClaimsReview) -> tuple[attempt.Problem, ...]:
    child_name = names.child_job(observed.metadata.name, observed.attempt)
    refused = {**reviewed.refused, **{key: why for key, why in observed.refusals.items() if key != child_name}}
    return tuple(attempt.Problem(Reason.CHECKPOINT_REFUSED, message) for message in list(refused.values())[:1])


def _report_problems(draft: StatusDraft, problems: tuple[attempt.Problem, ...]) -> None:
    """The first problem is the one that a person should look at first."""
    if problems:
        draft.condition(ConditionType.DEGRADED, True, problems[0].reason, problems[0].message)
    else:
        draft.condition(ConditionType.DEGRADED, False, Reason.AS_EXPECTED)
