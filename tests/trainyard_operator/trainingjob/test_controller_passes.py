"""Claims about whole passes over TrainingJobs, and what a tick does for all of them, on an API server in memory."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_operator.bench import PRICES
from tests.trainyard_operator.builders import (
    NAME,
    NOW,
    POD_UID,
    UID,
    at,
    checkpoint,
    claim,
    ended_record,
    job_body,
    open_pod,
    reported,
    running_status,
    time_text,
)
from tests.trainyard_operator.memory_api import MemoryApi, MemoryLedger
from tests.trainyard_operator.trainingjob.test_orphans import ENDED as ORPHAN
from trainyard_api import names
from trainyard_api.conditions import ConditionType
from trainyard_api.training_job import parse_training_job
from trainyard_operator.cluster.clock import Clock
from trainyard_operator.cluster.kube import CHECKPOINTS, EVENTS, JOBS, NAMESPACES, NODES, PODS, TRAINING_JOBS, KubeError
from trainyard_operator.cluster.listing import ClusterListing
from trainyard_operator.cluster.warnings import Warnings
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.metrics import Metrics
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.apply.memory import Memory, refusal
from trainyard_operator.trainingjob.controller import TrainingJobController
from trainyard_operator.trainingjob.trainer_pod.child_job import Rendering, child_job_body
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults

DEFAULTS = PodDefaults("image", "Never")
SMALL = {"product": "L4", "instanceType": "small", "usdPerGPUHour": "1"}
GPU_PRICES = Prices.model_validate(PRICES | {"gpus": [SMALL]})
JOB = f"trainingjobs/{NAME}"
BUDGETS, OPERATORS = (f"apply {JOB}/status by trainyard-operator{end}" for end in ("-budget", ""))


class Steps:
    """Notes whose steps are counted."""

    def __init__(self) -> None:
        self.counted: list[list[str]] = []

    async def count(self, uids: list[str]) -> None:
        """Counts the steps of runs."""
        self.counted.append(uids)


class Rig:
    """A controller over a cluster in memory; a ledger that is away where `ledger` is a folder."""

    def __init__(self, api: MemoryApi, ledger: Path | None = None, **changes: Any) -> None:
        kube: Any = api
        steps: Any = Steps()
        self.ledger: Any = MemoryLedger() if ledger is None else Ledger(ledger / "dsn")
        self.steps, self.metrics = steps, Metrics()
        facts: dict[str, Any] = {
            "kube": kube,
            "ledger": self.ledger,
            "applier": Applier(kube, self.ledger, DEFAULTS),
            "prices": Prices.model_validate(PRICES),
            "trainer_image": "image",
            "read_nodes": True,
            "metrics": self.metrics,
            "steps": steps,
            "warnings": Warnings(kube),
            "clock": Clock(wall=NOW.timestamp, elapsed=float),
            "keep_finished": timedelta(days=1),
        }
        self.controller = TrainingJobController(**facts | changes)

    def make_pass(self, name: str = NAME) -> None:
        """One pass over the job."""
        asyncio.run(self.controller.reconcile("team-a", name))

    def tick(self, *chores: Callable[[ClusterListing], Any], **lists: list[dict[str, Any]]) -> None:
        """Chores over lists."""
        nothing: Any = None
        kinds = {kind: lists.get(kind.plural, []) for kind in (TRAINING_JOBS, JOBS, PODS, CHECKPOINTS)}
        listing = ClusterListing(kinds, nothing)
        for chore in chores or self.controller.chores:
            asyncio.run(chore(listing))


def _claim_row(step: int = 10) -> tuple[Any, ...]:
    one = claim(step)
    return (one.uri, UID, 1, one.step, one.digest, 2048, {"reward_mean": "0.75"}, one.committed_time, None)


def _new() -> MemoryApi:
    api = MemoryApi()
    body = job_body()
    body["metadata"]["finalizers"] = []
    api.hold(TRAINING_JOBS, body)
    return api


def test_a_first_pass_holds_and_starts_a_job(caplog: pytest.LogCaptureFixture) -> None:
    """Finalizer, money, status, rights, Job, run config, events: each once, in this order; then it is counted."""
    caplog.set_level(logging.INFO)
    api = _new()
    rig = Rig(api)
    rig.make_pass()
    config_map = next(each for each in api.writes if "configmaps" in each)
    kinds = ("serviceaccounts", "roles", "rolebindings")
    rights = [f"apply {kind}/sums-trainer by trainyard-operator" for kind in kinds]
    order = [f"finalizers {JOB}", BUDGETS, OPERATORS, *rights, "create jobs/sums-1", config_map]
    assert api.writes[: len(order)] == order
    events = api.writes[len(order) :]
    assert [each.partition("/")[0] for each in events] == ["create events"] * 2
    assert {api.sent[each]["reason"] for each in events} == {"Starting", "AttemptStarted"}
    assert {api.sent[each]["eventTime"] for each in events} == {NOW.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    assert api[f"/{JOB}"]["status"]["attempts"] == 1
    assert f"team-a/{NAME}: Starting: AddFinalizer, StartAttempt" in caplog.messages
    assert rig.metrics.registry.get_sample_value("training_jobs_created_total") == 1
    assert api.sent["create jobs/sums-1"]["spec"]["template"]["spec"]["containers"][0]["image"] == "image"


def test_a_pass_over_a_job_that_is_gone_does_nothing() -> None:
    """The watch is slower than the deletion."""
    api = _new()
    Rig(api).make_pass("never-there")
    assert (api.writes, len(api.asked)) == ([], 1)


def test_a_pass_that_finds_all_as_it_should_be_writes_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A job that is suspended and at rest."""
    caplog.set_level(logging.INFO)
    api = _new()
    api.objects[next(iter(api.objects))]["spec"]["suspend"] = True
    rig = Rig(api)
    for _ in range(3):
        rig.make_pass()
    count, said = len(api.writes), len(caplog.messages)
    assert f"team-a/{NAME}: Suspended: AddFinalizer" in caplog.messages
    rig.make_pass()
    assert (len(api.writes), len(caplog.messages)) == (count, said)


def test_an_end_is_told_apart_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A write after the end is seldom, and worth a word."""
    caplog.set_level(logging.INFO)
    api = MemoryApi()
    ended = reported(ConditionType.SUCCEEDED, "True", "Completed")
    cost = {"spentUSD": "1.0000", "settledUSD": "1.000000"}
    status = running_status(ended, cost=cost, completionTime=time_text(-86_400))
    api.hold(TRAINING_JOBS, job_body(status=status))
    Rig(api).make_pass()
    assert f"team-a/{NAME}: Completed: RemoveAccess (ended)" in caplog.messages
    assert api[f"/{JOB}"]["status"]["clearedTime"] == time_text(0)


def test_what_was_kept_for_long_enough_is_a_setting() -> None:
    """Of the observation and of the decision alike."""
    for keep, cleared in ((timedelta(hours=1), True), (timedelta(hours=3), False)):
        api = MemoryApi()
        ended = reported(ConditionType.SUCCEEDED, "True", "Completed")
        cost = {"spentUSD": "1.0000", "settledUSD": "1.000000"}
        api.hold(TRAINING_JOBS, job_body(status=running_status(ended, cost=cost, completionTime=time_text(-7200))))
        Rig(api, keep_finished=keep).make_pass()
        assert ("clearedTime" in api[f"/{JOB}"]["status"]) is cleared


def _running(rig_changes: dict[str, Any] | None = None, **status: Any) -> tuple[MemoryApi, Rig]:
    """A job whose pod runs on a node."""
    api = MemoryApi()
    body = api.hold(TRAINING_JOBS, job_body(status=running_status(**status) if status else None))
    child = child_job_body(parse_training_job(copy.deepcopy(body)), Rendering(1, DEFAULTS, "c", "{}"))
    child["metadata"] |= {"uid": "child-uid", "creationTimestamp": time_text(-110)}
    api.hold(JOBS, child)
    pod = copy.deepcopy(ORPHAN) | {"status": copy.deepcopy(RUNS)}
    pod["metadata"]["ownerReferences"] = [{"kind": "Job", "name": f"{NAME}-1", "uid": "child-uid", "controller": True}]
    api.hold(PODS, pod)
    api.hold(NODES, {"metadata": {"name": "node-1", "labels": {"node.kubernetes.io/instance-type": "small"}}})
    return api, Rig(api, **rig_changes or {})


RUNS: dict[str, Any] = {
    "phase": "Running",
    "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": time_text(-100)}],
    "containerStatuses": [{"name": "trainer", "state": {"running": {"startedAt": time_text(-90)}}}],
}


@pytest.mark.parametrize(("read_nodes", "rate"), [(True, "5.500000"), (False, "3.500000")])
def test_a_pod_is_charged_by_its_node_where_nodes_may_be_read(read_nodes: bool, rate: str) -> None:
    """Without the right no node is asked for."""
    api, rig = _running({"prices": GPU_PRICES, "read_nodes": read_nodes})
    rig.make_pass()
    (opened,) = api[f"/{JOB}"]["status"]["cost"]["openPods"]
    assert opened["ratePerHourUSD"] == rate
    assert any("/nodes/" in asked for asked in api.asked) is read_nodes


def test_the_passing_of_time_shows_a_new_sum_at_most_so_often() -> None:
    """Half a minute after the last one was written; the first pass of a process shows it at once."""
    api, rig = _running()
    rig.make_pass()
    before = len(api.writes)
    rig.controller.clock = Clock(wall=at(10).timestamp, elapsed=float)
    rig.make_pass()
    assert len(api.writes) == before
    rig.controller._cost_written[UID] -= 30
    rig.make_pass()
    assert api.writes[before:] == [BUDGETS]
    assert Decimal(api[f"/{JOB}"]["status"]["cost"]["spentUSD"]) > Decimal("0.0917")
    rig.make_pass()
    assert len(api.writes) == before + 1


def test_what_is_remembered_of_a_job_is_part_of_what_is_seen() -> None:
    """Refusals of a start and of a checkpoint; of this run alone."""
    api = _new()
    rig = Rig(api)
    api.hold(NAMESPACES, {"metadata": {"name": "team-a"}, "status": {"phase": "Active"}})
    rig.controller.applier.memories[UID] = Memory(start=refusal("exceeded quota", NOW))
    rig.make_pass()
    degraded = next(c for c in api[f"/{JOB}"]["status"]["conditions"] if c["type"] == "Degraded")
    assert (degraded["reason"], degraded["message"]) == ("StartRefused", "exceeded quota")
    assert "create jobs/sums-1" not in api.writes


def test_rows_that_were_refused_are_remembered_too() -> None:
    """The job waits for an hour, and ends without them."""
    one = claim(10)
    committed = {"uri": one.uri, "digest": one.digest, "step": 10, "unwrittenRows": 3}
    record = ended_record("UnknownTask", final=True, counts=None, committed=committed)
    cost = {"spentUSD": "1.0000", "settledUSD": "1.000000"}
    api = MemoryApi()
    api.hold(TRAINING_JOBS, job_body(status=running_status(attempt=record, cost=cost)))
    made = checkpoint(one).model_dump(mode="json", by_alias=True, exclude_none=True)
    made["metadata"]["labels"] = names.job_labels(NAME, UID, 1)
    api.hold(CHECKPOINTS, made)
    api.refusals["create /apis/batch"] = KubeError(403, "Forbidden", "exceeded quota")
    rig = Rig(api)
    rig.ledger.rows = [_claim_row()]
    with pytest.raises(KubeError):
        rig.make_pass()
    rig.make_pass()
    waiting = {c["type"]: c["reason"] for c in api[f"/{JOB}"]["status"]["conditions"]}
    assert (waiting["Succeeded"], waiting["Degraded"]) == ("Stopping", "RowsUnwritten")
    rig.controller.clock = Clock(wall=at(4000).timestamp, elapsed=float)
    rig.controller.applier.memories[UID].rows = refusal("exceeded quota", at(4000))
    rig.make_pass()
    found = {c["type"]: c for c in api[f"/{JOB}"]["status"]["conditions"]}
    assert (found["Succeeded"]["reason"], found["Degraded"]["reason"]) == ("Failed", "RowsUnwritten")
    assert "exceeded quota" in found["Degraded"]["message"]
    assert [UID] in rig.ledger.executed
    assert ["UnknownTask", UID] in rig.ledger.executed


def test_why_a_pod_isnt_made_is_asked_of_the_cluster() -> None:
    """Its events, in the words of the Job controller."""
    api, rig = _running()
    del api.objects[next(path for path in api.objects if "/pods/" in path)]
    metadata = {"creationTimestamp": time_text(0), "name": "e", "namespace": "team-a"}
    api.hold(EVENTS, {"metadata": metadata, "note": "exceeded quota"})
    rig.make_pass()
    degraded = next(c for c in api[f"/{JOB}"]["status"]["conditions"] if c["type"] == "Degraded")
    assert degraded["reason"] == "PodRefused"
    assert "exceeded quota" in degraded["message"]


def test_a_ledger_that_is_away_keeps_no_pass_from_what_it_can_do(tmp_path: Path) -> None:
    """Its claims aren't known, and that is said."""
    api = _new()
    Rig(api, tmp_path).make_pass()
    degraded = next(c for c in api[f"/{JOB}"]["status"]["conditions"] if c["type"] == "Degraded")
    assert degraded["reason"] == "DatabaseUnavailable"


def test_orphans_are_settled_each_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    """At every tick: of pods whose job isn't listed; one that can't be let go stands in no other's way."""
    api = MemoryApi()
    first, second = (copy.deepcopy(ORPHAN) for _ in range(2))
    first["metadata"] |= {"name": "first", "uid": "first"}
    second["metadata"] |= {"name": "second", "uid": "second"}
    kept = copy.deepcopy(ORPHAN)
    kept["metadata"]["labels"] = kept["metadata"]["labels"] | {names.JOB_UID_LABEL: "listed"}
    for body in (first, second):
        api.hold(PODS, body)
    api.refusals["finalizers /api/v1/namespaces/team-a/pods/first"] = KubeError(500, "Down", "no answer")
    rig = Rig(api, prices=GPU_PRICES)
    api.hold(NODES, {"metadata": {"name": "node-1", "labels": {"node.kubernetes.io/instance-type": "small"}}})
    other = {"metadata": {"name": "other", "namespace": "team-a", "uid": "listed"}}
    rig.tick(rig.controller._settle_orphans, pods=[first, second, kept], trainingjobs=[other])
    assert [row[0] for row in rig.ledger.executed] == ["first", "second"]
    assert all(Decimal("5.5") in row and NOW in row for row in rig.ledger.executed)
    assert api["/pods/second"]["metadata"]["finalizers"] == []
    assert "orphan team-a/first: no answer" in caplog.text


OPEN: list[tuple[dict[str, Any], bool]] = [
    (job_body(), True),
    (job_body(status=running_status()), True),
    (job_body(deleted=-1), True),
]
for _changes, _open in (
    ({}, False),
    ({"openPods": [open_pod()]}, True),
    ({"settledPods": [open_pod(end=-1)]}, True),
    ({"settledPods": [{"uid": POD_UID}]}, False),
):
    _cost = {"spentUSD": "1", "settledUSD": "1"} | _changes
    _summary = reported(ConditionType.SUCCEEDED, "False", "Failed")
    OPEN.append((job_body(status=running_status(_summary, cost=_cost)), _open))
OPEN += [
    (job_body(deleted=-1, status=running_status(_summary, cost={})), True),
    (
        job_body(
            status=running_status(_summary, reported(ConditionType.DEGRADED, "True", "CheckpointRefused"), cost={})
        ),
        True,
    ),
    (job_body(status=running_status(_summary, reported(ConditionType.DEGRADED, "True", "Other"), cost={})), False),
]


@pytest.mark.parametrize(("body", "is_open"), OPEN)
def test_steps_and_claims_are_read_of_jobs_that_are_open(body: dict[str, Any], is_open: bool) -> None:
    """That go on, are deleted, have something to book, or lack objects of checkpoints."""
    rig = Rig(MemoryApi())
    rig.tick(rig.controller._count_steps, trainingjobs=[body])
    assert rig.steps.counted == [[UID] if is_open else []]


def test_a_ledger_that_is_away_ends_no_tick(tmp_path: Path) -> None:
    """Its steps are counted later."""
    rig = Rig(MemoryApi(), tmp_path)

    class Away(Steps):
        """Can't count."""

        async def count(self, uids: list[str]) -> None:
            """Asks the ledger."""
            await rig.ledger.run(lambda _: uids)

    rig.controller.steps = Away()  # type: ignore[assignment]
    rig.tick(rig.controller._count_steps, trainingjobs=[job_body()])


def test_what_is_remembered_goes_with_the_job_and_the_list_is_shown() -> None:
    """Of runs that aren't listed any more; gauges are those of the newest list."""
    rig = Rig(MemoryApi())
    for uid in (UID, "gone"):
        rig.controller._cost_written[uid] = 1.0
        rig.controller.applier.memories[uid] = Memory()
    rig.tick(trainingjobs=[job_body(status=running_status())])
    assert list(rig.controller._cost_written) == list(rig.controller.applier.memories) == [UID]
    labels = {"namespace": "team-a", "name": NAME}
    assert rig.metrics.registry.get_sample_value("training_budget_limit_dollars", labels) == 5.0


def test_a_tick_judges_by_what_the_ledger_says() -> None:
    """A claim without its object needs a pass; with it, and all else said, none."""
    api, rig = _running()
    rig.make_pass()
    body = api[f"/{JOB}"]
    lists: dict[Any, list[dict[str, Any]]] = {
        kind: [each for path, each in api.objects.items() if f"/{kind.plural}/" in path]
        for kind in (TRAINING_JOBS, JOBS, PODS, CHECKPOINTS)
    }
    live: Any = None

    async def judge() -> bool:
        needed = await rig.controller.judge(ClusterListing(lists, live))
        return await needed(body)

    assert not asyncio.run(judge())
    rig.ledger.rows = [_claim_row()]
    assert asyncio.run(judge())
