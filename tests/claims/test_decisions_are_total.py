"""The one decision takes whatever a pod, a tenant or a newer operator may have written, and never fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.trainyard_operator.builders import (
    IMAGE,
    NOW,
    POD_UID,
    PREFIX,
    at,
    checkpoint,
    child,
    claim,
    decide,
    ending,
    job_body,
    next_status,
    open_pod,
    pod,
    reported,
    running_status,
    stop_record,
    summary_of,
    time_text,
)
from trainyard_api.conditions import ConditionType
from trainyard_api.names import ACCOUNTING_FINALIZER as HOLD
from trainyard_api.names import SETTLEMENT_FINALIZER as SETTLEMENT
from trainyard_api.training_job_status import Cost, TrainingJobStatus
from trainyard_operator.cluster.pod import PodView, Resources
from trainyard_operator.trainingjob import invalid
from trainyard_operator.trainingjob.attempt.standing import Ended, has_ended, look
from trainyard_operator.trainingjob.decision.actions import (
    DeleteChild,
    DeletePod,
    StartAttempt,
)
from trainyard_operator.trainingjob.decision.observed import Observed, Refusal
from trainyard_operator.trainingjob.reconcile import run_of
from trainyard_operator.trainingjob.stops.wanted import StopCause, wanted

DONE = f'{{"reason": "Completed", "committedUri": "{PREFIX}step-10-9d2f0c3e/"}}'
BOOKED = {"spentUSD": "0.1000", "settledUSD": "0.037500", "settledPods": [{"uid": POD_UID}]}
LACKS = reported(ConditionType.DEGRADED, "True", "CheckpointRefused")
UNWRITTEN = BOOKED | {"settledPods": [open_pod(end=-10)]}
NOVEL = {**reported(ConditionType.SUCCEEDED, "True", "Novel"), "type": "NovelType"}
WORDS = ["Novel", "TrainerCrashed", "Completed", "OutOfMemory", "Stopped", "UnknownTask", "ImageUnavailable"]
BIG = 2**53 - 5


def _ending() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        ending,
        st.sampled_from(WORDS),
        counts=st.booleans(),
        success=st.booleans(),
        final=st.booleans(),
        step=st.sampled_from([None, 0, 10, BIG]),
        committedUri=st.sampled_from([None, claim(10).uri, "s3://elsewhere/x/"]),
        committed=st.sampled_from([None, {"uri": claim(10).uri, "digest": claim(10).digest, "step": 10}, {"uri": 7}]),
        novel=st.just(True),
    )


def _record() -> st.SearchStrategy[dict[str, Any]]:
    start = st.sampled_from([{}, {"firstStartTime": time_text(-90)}])
    job = st.sampled_from([{}, {"jobRef": {"name": "sums-1", "uid": "child-uid"}}])
    end = st.none() | _ending()
    return st.builds(
        lambda number, start, job, end: {"number": number} | start | job | ({"ending": end} if end else {}),
        *(st.sampled_from([1, 1, 2, BIG]), start, job, end),
    )


def _settled(count: int) -> list[dict[str, Any]]:
    return [{**open_pod(end=-10), "uid": f"u{number}"} for number in range(count)]


STATUS: dict[str, list[Any]] = {
    "attempts": [1, 1, 2, 0, BIG],
    "conditions": [
        [],
        [NOVEL],
        [reported(ConditionType.SUCCEEDED, "Unknown", "Novel"), reported(ConditionType.DEGRADED, "True", "Novel")],
        [reported(ConditionType.SUCCEEDED, "True", "Novel")],
        [reported(ConditionType.SUCCEEDED, "False", "Failed"), LACKS],
        [{**NOVEL, "reason": "no-word"}],
    ],
    "stop": [stop_record(), stop_record("Deleted", 2), stop_record("Novel"), {"cause": "no word"}],
    "cancelTime": [time_text(-60)],
    "restarts": [
        {"attempt": 1, "crashes": 3, "inARow": 70},
        {"attempt": 0, "crashes": BIG, "interruptions": BIG, "inARow": BIG, "outOfMemoryStep": BIG},
        {"attempt": 1, "heldFor": "ab", "heldReason": "Novel"},
        {"attempt": 1, "crashes": 1, "nextTime": time_text(10**6)},
        {"novel": []},
    ],
    "podRef": [{"name": "sums-1-abcde", "uid": POD_UID}, {"name": "other", "uid": "other"}],
    "modelRef": [{"checkpoint": "mine", "uid": "gone", "digest": claim().digest}],
    "progress": [
        {"estimatedRemainingSeconds": 2**53, "step": 2**53, "lastReportTime": time_text(0)},
        {"estimatedRemainingSeconds": 60, "lastReportTime": "2026-01-01T00:00:00+99:99"},
        {"estimatedRemainingSeconds": 60, "lastReportTime": "0000-01-01T00:00:00Z"},
        {"saveSeconds": "9" * 32, "sampler": {"kind": "WholeBatch"}, "evaluation": {"questions": 3}},
        {"bestCheckpoint": {"step": 10, "uri": claim(10).uri, "digest": claim(10).digest}, "percent": "many"},
    ],
    "completionTime": [time_text(-100), time_text(-(10**6))],
    "clearedTime": [time_text(-50)],
    "cost": [
        {},
        BOOKED,
        UNWRITTEN,
        {"spentUSD": "0.0100", "settledUSD": "0.000000", "openPods": [open_pod()], "novel": 1},
        {"spentUSD": "0", "settledUSD": "0", "openPods": [{**open_pod(), "uid": f"o{n}"} for n in range(256)]},
        {
            "spentUSD": "999999998.5",
            "settledUSD": "999999998.5",
            "openPods": [{**open_pod(), "ratePerHourUSD": "9" * 9}],
        },
        {"spentUSD": "1", "settledUSD": "1", "settledPods": _settled(256)},
        {"spentUSD": "1", "settledUSD": "1", "settledPods": _settled(300)},
        {"spentUSD": "much", "settledPods": "many"},
    ],
    "budget": [{"limitUSD": "5.00", "source": "Namespace"}],
    "novel": [{"deep": [1]}],
}
SPECS: list[Any] = [
    {},
    {"model": {"checkpoint": {"name": "mine"}}},
    {"model": {"checkpoint": {"trainingJob": "sums"}}},
    {"algorithm": {"type": "Evaluation"}, "evaluation": {"baseline": {"checkpoint": "other"}}},
    {"trainer": {"gpus": {"product": "unheard-of", "count": 8}}},
    {"ttlSecondsAfterFinished": 2**31 - 1},
    {"trainer": {"cpu": "many"}},
    {"task": None},
    {"budget": "all of it", "checkpoints": {"stopGraceSeconds": 2**40}},
]
PODS = [
    {},
    {"bound_time": None, "node_name": None, "started": False, "phase": "Pending"},
    {"bound_time": None, "node_name": None, "started": False, "deletion_time": at(0)},
    {"started": False, "waiting_reason": "ErrImagePull", "bound_time": at(-700)},
    {"started": False, "waiting_reason": "CreateContainerConfigError", "waiting_message": 'secret "x" not found'},
    {"started": False, "unschedulable": "no node", "bound_time": None, "node_name": None},
    {"deletion_time": at(3)},
    {"force_deleted": True, "deletion_time": at(0)},
    {"phase": "Failed", "status_reason": "Evicted", "status_message": "x" * 5000, "disruption": "y" * 5000},
    {"phase": "Failed", "status_reason": "UnexpectedAdmissionError", "started": False},
    {"exit_code": 0, "termination_text": DONE, "finished_time": at(-10)},
    {"exit_code": 137, "out_of_memory": True, "all_ended": True, "finished_time": at(10**7)},
    {"exit_code": -(2**40), "phase": "Failed", "finished_time": at(-(10**9))},
    {"resources": Resources(Decimal("1e20"), Decimal("1e20"), 10**6, "unheard-of")},
]
TEXTS = st.sampled_from([None, "", DONE, '{"reason": "Novel"}', '{"reason": "Fenced", "value": "x"}']) | st.text(
    max_size=99
)


@st.composite
def _pods(draw: st.DrawFn) -> tuple[PodView, ...]:
    facts = draw(
        st.lists(st.sampled_from(PODS), max_size=3) | st.lists(st.sampled_from(PODS), min_size=17, max_size=17)
    )
    made = []
    for number, fact in enumerate(facts):
        text = {"termination_text": draw(TEXTS)} if "exit_code" in fact and draw(st.booleans()) else {}
        attempt = draw(st.sampled_from([1, 1, 2, -1, BIG]))
        uid = POD_UID if number == 0 else f"{POD_UID[:-2]}{number:02}"
        made.append(pod(**fact | text, uid=uid, attempt=attempt, finalizers=draw(st.sampled_from([(HOLD,), ()]))))
    return tuple(made)


@st.composite
def _worlds(draw: st.DrawFn) -> tuple[Observed, datetime]:
    """Worlds that no operator of this version would make, nor any honest pod."""
    fields = draw(st.lists(st.sampled_from([*STATUS, "attempt"]), unique=True, max_size=8))
    chosen = {name: draw(_record() if name == "attempt" else st.sampled_from(STATUS[name])) for name in fields}
    status = draw(st.sampled_from([{}, running_status()])) | chosen
    words = {word: draw(st.sampled_from([None, None, True, False])) for word in ("suspend", "cancel")}
    body = job_body(
        status=status, deleted=draw(st.sampled_from([None, None, -1, -500])), **draw(st.sampled_from(SPECS))
    )
    body["spec"] |= {word: value for word, value in words.items() if value is not None}
    body["metadata"]["finalizers"] = draw(st.sampled_from([[SETTLEMENT], [SETTLEMENT], []]))
    reading = invalid.read(body)
    claims = draw(st.sampled_from([None, (), (claim(10),), (claim(10), claim(5, attempt=BIG))]))
    refused = draw(st.sampled_from([{}, {claim(10).uri: Refusal("quota", at(30))}]))
    children = [None, child(), child(finished=True, deadline_exceeded=True), child(deleting=True), child(ours=False)]
    seen = Observed(
        reading.job,
        status,
        child=draw(st.sampled_from(children)),
        pods=draw(_pods()),
        checkpoints=draw(st.sampled_from([None, (), (checkpoint(claim(10)),), (checkpoint(claim(10), ready=False),)])),
        claims=claims,
        refused_stores=refused,
        refused_start=draw(st.sampled_from([None, Refusal("quota", at(30)), Refusal("quota", at(-30))])),
        pod_refusal=draw(st.sampled_from(["", "exceeded quota"])),
        namespace_terminating=draw(st.sampled_from([False, False, False, True])),
        unreadable=reading.unreadable,
    )
    return seen, draw(st.sampled_from([NOW, NOW, at(3600), at(-3600), at(10**10), at(-(10**9))]))


def _written(status: dict[str, Any], former: Mapping[str, Any]) -> dict[str, Any]:
    """What a pass writes of itself, without what it only carries over."""
    known = [condition | {"observedGeneration": 1} for condition in former.get("conditions", ())]
    conditions = [condition for condition in status["conditions"] if condition not in known]
    return {name: value for name, value in status.items() if value != former.get(name)} | {"conditions": conditions}


@given(_worlds())
def test_nothing_that_a_pod_a_tenant_or_a_newer_operator_wrote_breaks_the_decision(
    world: tuple[Observed, datetime],
) -> None:
    """Any state gives a plan, and a status that fits the schema; no sum falls, and no end is taken back."""
    seen, now = world
    plan = decide(seen, now=now, refresh_cost=True)
    TrainingJobStatus.model_validate(_written(next_status(plan), seen.raw_status))
    before, after = seen.status.cost or Cost(), Cost.model_validate({**next_status(plan)["cost"], "settledPods": []})
    assert Decimal(after.spent_usd or 0) >= Decimal(before.spent_usd or 0)
    assert Decimal(after.settled_usd or 0) >= Decimal(before.settled_usd or 0)
    if has_ended(seen):
        former = seen.reported(ConditionType.SUCCEEDED)
        assert summary_of(plan) == (former["status"], former["reason"])


@given(_worlds())
def test_whatever_else_is_there_a_stop_stops_every_pod(world: tuple[Observed, datetime]) -> None:
    """That is: each in which something may run and that isn't stopping; and our Job, so that it makes no other."""
    seen, now = world
    plan = decide(seen, now=now)
    cause = wanted(seen)
    held = SETTLEMENT in seen.metadata.finalizers
    if cause is None or (cause is StopCause.DELETED and not held):
        return
    if cause is not StopCause.DELETED and (has_ended(seen) or _is_final(seen)):
        return
    alive = {each.uid for each in seen.pods if not each.over and each.deletion_time is None}
    assert {action.pod.uid for action in plan.actions if isinstance(action, DeletePod)} == alive
    makes_pods = seen.child is not None and seen.child.ours and not seen.child.deleting
    assert any(isinstance(action, DeleteChild) for action in plan.actions) is makes_pods
    assert len(plan.actions) == len(set(map(repr, plan.actions)))


def _is_final(seen: Observed) -> bool:
    view = look(seen, run_of(seen, IMAGE), NOW)
    return isinstance(view, Ended) and (view.outcome.success or view.outcome.final)


@given(_worlds())
def test_a_start_is_planned_only_where_nothing_has_begun(world: tuple[Observed, datetime]) -> None:
    """Never beside a pod or a child; never of a job that is to stop, has ended, or can't be read."""
    seen, now = world
    starts = any(isinstance(action, StartAttempt) for action in decide(seen, now=now).actions)
    begun = any(not each.over for each in seen.pods) or seen.child is not None
    barred = wanted(seen) is not None or has_ended(seen) or bool(seen.unreadable) or seen.claims is None
    assert not (starts and (begun or barred))


@given(_worlds())
def test_planned_again_upon_itself_a_plan_changes_nothing_more(world: tuple[Observed, datetime]) -> None:
    """While the world stands still the status does too, after a few passes."""
    seen, now = world
    plan = decide(seen, now=now)
    for _ in range(6):
        status = next_status(plan) | {
            k: v for k, v in seen.raw_status.items() if k in {"progress", "stop", "cancelTime"}
        }
        reading = invalid.read(seen.job.model_dump(mode="json", by_alias=True, exclude_none=True) | {"status": status})
        seen = replace(seen, job=reading.job, raw_status=status)
        following = decide(seen, now=now)
        if _sorted(next_status(following)) == _sorted(next_status(plan)):
            return
        plan = following
    before, after = _sorted(next_status(plan)), _sorted(status)
    raise AssertionError({name: (part, after.get(name)) for name, part in before.items() if part != after.get(name)})


def _sorted(status: dict[str, Any]) -> dict[str, Any]:
    return status | {"conditions": sorted(status["conditions"], key=lambda entry: entry["type"])}
