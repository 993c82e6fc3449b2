"""A TrainingJob and its cluster in memory: plans are carried out on it action by action, and may be cut off anywhere.

It plays API server, Job controller, kubelet and ledger just as far as one job's decisions can tell; what the real ones
do is shown by the integration tests.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.trainyard_operator.builders import IMAGE, NAME, NOW, TABLE, UID, checkpoint, claim, job_body, pod
from trainyard_api import names
from trainyard_api.checkpoint import Checkpoint
from trainyard_operator.cluster.clock import format_time
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.money.booking import Spend
from trainyard_operator.trainingjob import invalid, reconcile
from trainyard_operator.trainingjob.decision import actions
from trainyard_operator.trainingjob.decision.actions import ActionClass, Plan
from trainyard_operator.trainingjob.decision.observed import ChildView, Observed, Refusal
from trainyard_operator.trainingjob.decision.status import halves

Effect = Callable[[], None]
_ROWS = (actions.BookSpend, actions.BookClaim, actions.BookAtOnce, actions.EndRun, actions.StartAttempt)
"""Written into the ledger."""
REST = timedelta(seconds=30)
_FINDS_ITSELF_DONE = (actions.EnsureRunConfig, actions.CopyEvaluation)
"""Planned at every pass; the second time they write nothing."""


class RowRefusedError(Exception):
    """A row that the ledger didn't take."""


@dataclass
class World:
    """One TrainingJob, and all around it."""

    body: dict[str, Any] = field(default_factory=job_body)
    child: ChildView | None = None
    rows_job: ChildView | None = None
    pods: list[PodView] = field(default_factory=list)
    strangers: tuple[PodView, ...] = ()
    """Pods that never end and aren't the Job controller's doing."""
    claims: list[Claim] = field(default_factory=list)
    objects: list[Checkpoint] = field(default_factory=list)
    ledger_up: bool = True
    ledger_writable: bool = True
    refused: Refusal | None = None
    """Why the ledger took no row the last time."""
    refused_start: Refusal | None = None
    """The same of a start."""
    now: datetime = NOW
    rows: dict[str, Decimal] = field(default_factory=dict)
    """Pod uid → US dollars in the ledger."""
    bills: dict[str, tuple[datetime, datetime | None]] = field(default_factory=dict)
    """Pod uid → when it was bound and when its last container ended, as the kubelet has it."""
    ended: list[str] = field(default_factory=list)
    """Why the ledger says that the run has ended, the first time first."""
    starts: list[int] = field(default_factory=list)
    """Numbers of the attempts whose Jobs were made."""
    made: set[str] = field(default_factory=set)
    """Uids of the pods that the Job controller has made."""
    gone: bool = False

    @property
    def status(self) -> dict[str, Any]:
        """The status as the API server holds it."""
        return self.body.setdefault("status", {})

    @property
    def living(self) -> list[PodView]:
        """The pods in which a trainer runs or may yet run."""
        return [each for each in self.pods if not each.over and not each.role]

    def observe(self) -> Observed:
        """What a pass sees."""
        body = copy.deepcopy(self.body)
        reading = invalid.read(body)
        everybody = (*self.pods, *self.strangers)
        return Observed(
            reading.job,
            body.get("status") or {},
            child=self.child,
            rows_job=self.rows_job,
            pods=everybody,
            node_labels={each.uid: {} for each in everybody},
            checkpoints=tuple(self.objects),
            claims=tuple(self.claims) if self.ledger_up else None,
            refused_ledger=self.refused if self.refused is not None and self.now < self.refused.again else None,
            refused_start=self.refused_start,
            unreadable=reading.unreadable,
        )

    def plan(self, *, refresh: bool = False) -> Plan:
        """What a pass would do now."""
        context = reconcile.Context(TABLE, IMAGE, read_nodes=True, now=self.now, refresh_cost=refresh)
        return reconcile.decide(self.observe(), context)

    def make_pass(self, *, cut_after: int | None = None, refresh: bool = False) -> bool:
        """Makes a pass, or the first effects of one; tells whether it would change anything."""
        seen, plan = self.observe(), self.plan(refresh=refresh)
        effects = list(self._effects(seen, plan))
        try:
            for effect in effects[:cut_after]:
                if self.gone:
                    break
                effect()
        except RowRefusedError:
            # It is remembered by now.
            self.make_pass(refresh=refresh)
        return bool(effects)

    def settle(self, most: int = 30) -> int:
        """Makes passes until one changes nothing; returns how many changed something."""
        for number in range(most):
            if self.gone or not self.make_pass():
                return number
        raise AssertionError(f"still changing after {most} passes: {self.plan().actions}, {self.status}")

    def _effects(self, seen: Observed, plan: Plan) -> Iterator[Effect]:
        operator_half, budget_half = halves(seen.raw_status)
        yield from (self._effect(action) for action in plan.of(ActionClass.SAFETY))
        yield from (self._effect(action) for action in plan.of(ActionClass.BEFORE))
        if budget_half != plan.budget_half:
            yield lambda: self._write(plan.budget_half, budget=True)
        if operator_half != plan.operator_half:
            yield lambda: self._write(plan.operator_half, budget=False)
        after = (action for action in plan.of(ActionClass.AFTER) if not isinstance(action, _FINDS_ITSELF_DONE))
        yield from (self._effect(action) for action in after)
        optional = (action for action in plan.of(ActionClass.OPTIONAL) if not isinstance(action, _FINDS_ITSELF_DONE))
        last = sorted(optional, key=lambda each: isinstance(each, actions.RemoveFinalizer))
        yield from (self._effect(action) for action in last)

    def _write(self, half: Any, *, budget: bool) -> None:
        """Puts one half of a status in the place of the former one."""
        operators, budgets = halves(self.status)
        kept = operators if budget else budgets
        ours = {name: self.status[name] for name in ("progress", "stop", "cancelTime") if name in self.status}
        both = [*kept.get("conditions", ()), *half.get("conditions", ())]
        self.body["status"] = copy.deepcopy({**kept, **half, **ours, "conditions": both})

    def _effect(self, action: actions.Action) -> Effect:  # noqa: C901 - so is this
        def act() -> None:  # noqa: C901, PLR0912 - one case for each sort of action
            if isinstance(action, _ROWS):
                self._ask_ledger(action)
            match action:
                case actions.RecordStop(cause, attempt):
                    self.status["stop"] = {"cause": cause, "time": format_time(self.now), "attempt": attempt}
                case actions.RecordCancel():
                    self.status.setdefault("cancelTime", format_time(self.now))
                case actions.DeleteChild(job):
                    self.child = None if job == self.child else self.child
                    self.rows_job = None if job == self.rows_job else self.rows_job
                case actions.WriteRows(number):
                    name = names.rows_job(NAME, number)
                    self.rows_job = ChildView(name=name, uid=f"rows-{number}", ours=True)
                case actions.DeletePod(each):
                    self.delete_pod(each.uid)
                case actions.ReleasePod(each):
                    self._release(each.uid)
                case actions.AddFinalizer():
                    self.body["metadata"]["finalizers"] = [names.SETTLEMENT_FINALIZER]
                case actions.RemoveFinalizer():
                    self.gone = True
                case actions.DeleteTrainingJob():
                    self.body["metadata"].setdefault("deletionTimestamp", format_time(self.now))
                case actions.BookSpend(spend):
                    self._book(spend)
                case actions.BookAtOnce(spends, reason):
                    for spend in spends:
                        self._book(spend)
                    self.ended.append(reason)
                case actions.EndRun(reason):
                    self.ended.append(reason)
                case actions.BookClaim(made):
                    self.claims.append(made)
                case actions.StartAttempt(number):
                    self._start(number)
                case actions.StoreCheckpoint(made):
                    self.objects = [each for each in self.objects if each.spec.source.uri != made.uri]
                    self.objects.append(checkpoint(made))
                case actions.RemoveAccess():
                    pass

        return act

    def _ask_ledger(self, action: actions.Action) -> None:
        refusal = None if self.ledger_writable else Refusal("read-only", self.now + REST)
        if isinstance(action, actions.StartAttempt):
            self.refused_start = refusal
        else:
            self.refused = refusal
        if refusal is not None and not isinstance(action, actions.BookAtOnce):
            raise RowRefusedError

    def _book(self, spend: Spend) -> None:
        if self.ledger_up and self.ledger_writable:
            self.rows.setdefault(spend.pod.uid, spend.amount)

    def _start(self, number: int) -> None:
        assert self.child is None
        self.starts.append(number)
        name = names.child_job(NAME, number)
        self.child = ChildView(name=name, uid=f"job-{number}", ours=True, created_time=self.now)

    def _release(self, uid: str) -> None:
        self._change(uid, finalizers=())
        self.pods = [each for each in self.pods if each.finalizers or each.deletion_time is None or not each.over]

    def _change(self, uid: str, **changes: Any) -> None:
        self.pods = [replace(each, **changes) if each.uid == uid else each for each in self.pods]

    def delete_pod(self, uid: str, grace: int = 5) -> None:
        """Asks for a pod's deletion."""
        asked = next((each for each in self.pods if each.uid == uid and each.deletion_time is None), None)
        if asked is not None:
            self._change(uid, deletion_time=self.now + timedelta(seconds=grace))
            self.pods = [each for each in self.pods if each.finalizers or not (each.uid == uid and each.over)]

    def make_pod(self) -> None:
        """Lets the Job controller make the pod of a Job that has none."""
        number = int(self.child.name.rpartition("-")[2]) if self.child is not None else 0
        uid = f"pod-{number}"
        if self.child is None or self.child.finished or uid in self.made:
            return
        self.made.add(uid)
        unbound = {"bound_time": None, "node_name": None, "started": False, "phase": "Pending"}
        name = f"{NAME}-{number}-abcde"
        self.pods.append(pod(uid=uid, name=name, attempt=number, created_time=self.now, **unbound))

    def write_rows(self, *, ends: bool) -> None:
        """Lets the Job that writes carried rows run its pod, or end it."""
        job = self.rows_job
        if job is None or job.finished:
            return
        if job.uid not in self.made:
            self.made.add(job.uid)
            attempt = int(job.uid.rpartition("-")[2])
            self.pods.append(
                pod(uid=job.uid, name=job.name, attempt=attempt, role=names.ROWS_ROLE, bound_time=self.now)
            )
            self.bills[job.uid] = (self.now, None)
        if ends:
            self.rows_job = replace(job, finished=True)
            self._change(job.uid, exit_code=0, all_ended=True, phase="Succeeded", finished_time=self.now)
            self.bills[job.uid] = (self.bills[job.uid][0], self.now)

    def bind(self) -> None:
        """Gives every pod a node that waits for one."""
        for each in self.living:
            if each.bound_time is None and each.deletion_time is None:
                self._change(each.uid, bound_time=self.now, node_name="node-1")
                self.bills[each.uid] = (self.now, None)

    def run(self) -> None:
        """Starts the container of every pod that has a node."""
        for each in self.living:
            if each.bound and each.exit_code is None:
                self._change(each.uid, started=True, phase="Running")

    def end(self, exit_code: int, text: str = "", *, sidecar: bool = False, **facts: Any) -> None:
        """Ends the trainer of every pod that runs; with a sidecar, something else in it goes on."""
        for each in self.living:
            if each.started and each.exit_code is None:
                self._change(each.uid, exit_code=exit_code, termination_text=text, finished_time=self.now, **facts)
                if not sidecar:
                    self._finish(each.uid, self.now)

    def let_end(self) -> None:
        """Ends what has been asked to stop: with a checkpoint where it ran, and all other containers with it."""
        for each in self.living:
            if each.deletion_time is not None and each.bound:
                code = each.exit_code if each.exit_code is not None else 10 if each.started else None
                self._change(each.uid, exit_code=code)
                self._finish(each.uid, self.now)

    def _finish(self, uid: str, moment: datetime) -> None:
        self._change(uid, all_ended=True, phase="Failed", finished_time=moment)
        self.bills[uid] = (self.bills[uid][0], moment)
        if self.child is not None and not uid.startswith("rows-"):
            self.child = replace(self.child, finished=True)

    def commit(self, step: int) -> None:
        """Lets the trainer claim a checkpoint."""
        if self.living and self.ledger_up and self.ledger_writable and all(each.step != step for each in self.claims):
            attempt = max(each.attempt for each in self.living)
            self.claims.append(claim(step, attempt=attempt, run_uid=UID))

    def let_pass(self, seconds: int) -> None:
        """Lets time pass; what was told to stop is killed when its grace is over."""
        self.now += timedelta(seconds=seconds)
        for each in self.pods:
            if not each.over and each.bound and each.deletion_time is not None and each.deletion_time <= self.now:
                self._change(each.uid, exit_code=each.exit_code if each.exit_code is not None else 137)
                self._finish(each.uid, each.deletion_time)

    def recount(self) -> Decimal:
        """Bills all pods anew, from what the kubelet has: US dollars."""
        total = Decimal(0)
        for bound, end in self.bills.values():
            seconds = Decimal(int(((end or self.now) - bound).total_seconds()))
            total += (Decimal("1.5") * seconds / 3600).quantize(Decimal("0.000001"))
        return total
