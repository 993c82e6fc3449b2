"""Claims about the order in which a plan is carried out."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_operator.builders import (
    NOW,
    UID,
    at,
    child,
    claim,
    decide,
    job_body,
    observed,
    pod,
    running_status,
)
from tests.trainyard_operator.memory_api import MemoryApi, MemoryLedger
from trainyard_api import names
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, TRAINING_JOBS, KubeError
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.decision.actions import (
    AddFinalizer,
    CopyEvaluation,
    DeleteChild,
    DeletePod,
    EndRun,
    EnsureRunConfig,
    Plan,
    ReleasePod,
    RemoveAccess,
    RemoveFinalizer,
    StartAttempt,
    StoreCheckpoint,
    WriteRows,
)
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.decision.status import halves
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults

IMAGES = PodDefaults("image", "Never")


class Server:
    """Takes everything, makes a new version each time, and writes down what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    async def set_finalizers(self, path: str, version: str, _: list[str]) -> dict[str, Any]:
        """Finalizers of a version."""
        return self._made("finalizers", path, version)

    async def delete(self, path: str, uid: str) -> None:
        """A deletion by uid."""
        self._made("delete", path, uid)

    async def apply(self, path: str, body: dict[str, Any], manager: str) -> dict[str, Any]:
        """One half of a status, of a version or of any."""
        return self._made(manager, path, body["metadata"].get("resourceVersion"))

    def _made(self, what: str, path: str, version: str | None) -> dict[str, Any]:
        self.asked.append((f"{what} {path.rpartition('namespaces/team-a/')[2]}", version))
        made = job_body(status=running_status())
        return made | {"metadata": made["metadata"] | {"resourceVersion": f"{len(self.asked)}th"}}


def _carry_out(plan: Plan, directory: Path) -> tuple[list[tuple[str, str | None]], bool]:
    server: Any = Server()
    applier = Applier(server, Ledger(directory / "dsn"), IMAGES)
    wrote = asyncio.run(applier.carry_out(observed(status=running_status()), plan, NOW))
    return server.asked, wrote


def test_a_stop_comes_first_and_the_status_follows_from_the_newest_version(tmp_path: Path) -> None:
    """The money is written to whatever version there is, all else to the one that the money makes."""
    changed = Plan((AddFinalizer(), DeleteChild(child())), {"attempts": 2}, {"cost": {"spentUSD": "1"}})
    asked, wrote = _carry_out(changed, tmp_path)
    assert wrote
    assert asked == [
        ("delete jobs/sums-1", "child-uid"),
        ("finalizers trainingjobs/sums", "7"),
        ("trainyard-operator-budget trainingjobs/sums/status", "2th"),
        ("trainyard-operator trainingjobs/sums/status", "3th"),
    ]


def test_a_job_is_let_go_last_of_all(tmp_path: Path) -> None:
    """Of the version that its last status has made."""
    plan = Plan((RemoveFinalizer(), ReleasePod(pod())), {"attempts": 2}, halves(running_status())[1])
    asked, wrote = _carry_out(plan, tmp_path)
    assert wrote
    assert asked == [
        ("trainyard-operator trainingjobs/sums/status", "7"),
        ("finalizers pods/sums-1-abcde", "3"),
        ("finalizers trainingjobs/sums", "1th"),
    ]


def test_what_is_as_it_should_be_costs_no_request(tmp_path: Path) -> None:
    """No action and no changed half."""
    assert _carry_out(Plan((), *halves(running_status())), tmp_path) == ([], False)


class Refusing:
    """Refuses every request but those of one sort, and counts what was tried."""

    def __init__(self, status: int, lets: str = "") -> None:
        self.error = KubeError(status, "Refused", "no")
        self.lets = lets
        self.tried: list[str] = []

    async def latch(self, path: str, *_: Any) -> None:
        """A record."""
        self._try("latch", path)

    async def apply(self, path: str, *_: Any) -> dict[str, Any]:
        """A status, an account."""
        return self._try("apply", path)

    async def delete(self, path: str, _: str) -> None:
        """A deletion."""
        self._try("delete", path)

    async def create(self, path: str, _: dict[str, Any]) -> dict[str, Any]:
        """A new object."""
        return self._try("create", path)

    async def set_finalizers(self, path: str, *_: Any) -> dict[str, Any]:
        """Finalizers."""
        return self._try("finalizers", path)

    async def get(self, path: str) -> None:
        """Nothing is there."""
        self._try("get", path)

    def _try(self, what: str, path: str) -> dict[str, Any]:
        asked = f"{what} {path.rpartition('namespaces/team-a/')[2]}"
        self.tried.append(asked)
        if not (self.lets and asked.startswith(self.lets)):
            raise self.error
        return {"metadata": {"resourceVersion": "9"}}


PODS = (pod(), pod(uid="second", name="sums-1-second"))
STOPS: dict[str, dict[str, Any]] = {
    "suspended": {"spec": {"suspend": True}},
    "cancelled": {"spec": {"cancel": True}},
    "deleted": {"deleted": -1},
    "in a namespace that goes": {"namespace_terminating": True},
    "deleted in a namespace that goes": {"deleted": -1, "namespace_terminating": True},
    "of an object that can't be read": {"spec": {"suspend": True}, "unreadable": "spec.trainer: no"},
    "before our finalizer is on": {"spec": {"cancel": True}, "finalizers": []},
}


@pytest.mark.parametrize("status", [0, 403, 409, 422, 500])
@pytest.mark.parametrize("case", STOPS)
@pytest.mark.parametrize("ledger_up", [True, False])
def test_nothing_keeps_pods_from_being_stopped(case: str, status: int, ledger_up: bool, tmp_path: Path) -> None:
    """Not a status, a record, a row or a child that can't be written or deleted; nor one pod the other."""
    around = {"status": running_status(), "child": child(), "pods": PODS} | STOPS[case]
    finalizers = around.pop("finalizers", None)
    seen = observed(claims=(claim(),) if ledger_up else None, **around)
    if finalizers is not None:
        metadata = seen.metadata.model_copy(update={"finalizers": finalizers})
        seen = replace(seen, job=seen.job.model_copy(update={"metadata": metadata}))
    server: Any = Refusing(status)
    applier = Applier(server, Ledger(tmp_path / "dsn"), IMAGES)
    with contextlib.suppress(KubeError, LedgerUnavailable):
        asyncio.run(applier.carry_out(seen, decide(seen), NOW))
    stopped = [each for each in server.tried if each.startswith("delete ")]
    assert stopped == ["delete jobs/sums-1", "delete pods/sums-1-abcde", "delete pods/sums-1-second"]
    (first,) = (number for number, each in enumerate(server.tried) if each == "delete pods/sums-1-second")
    assert all(each.startswith(("latch ", "delete ")) for each in server.tried[:first])


def test_of_all_else_a_failure_ends_the_pass_but_what_is_optional_is_tried_each_for_itself(tmp_path: Path) -> None:
    """What the status says is done comes before it, what depends on it after; a checkpoint never stands in the way."""
    optional = (StoreCheckpoint(claim(5)), StoreCheckpoint(claim(10)), RemoveFinalizer())
    plan = Plan((*optional, ReleasePod(pod()), RemoveAccess()), {"attempts": 2}, halves(running_status())[1])
    tried = {}
    for lets in ("", "get", "apply", "finalizers"):
        server: Any = Refusing(500, lets)
        applier = Applier(server, Ledger(tmp_path / "dsn"), IMAGES)
        with pytest.raises(KubeError):
            asyncio.run(applier.carry_out(observed(status=running_status()), plan, NOW))
        tried[lets] = server.tried
    assert tried[""] == ["get rolebindings/sums-trainer"]
    assert tried["get"][-1] == "apply trainingjobs/sums/status"
    unchanged = Plan(plan.actions[:3], *halves(running_status()))
    server = Refusing(500, "finalizers")
    applier = Applier(server, Ledger(tmp_path / "dsn"), IMAGES)
    assert asyncio.run(applier.carry_out(observed(status=running_status()), unchanged, NOW))
    stores = [f"get checkpoints/sums-5b1c0-1-{step}" for step in (5, 10)]
    assert server.tried == [*stores, "finalizers trainingjobs/sums"]


def test_a_job_that_is_gone_when_it_should_be_held_gets_no_status(tmp_path: Path) -> None:
    """There is nothing to write to."""

    class Gone(Refusing):
        """Has no TrainingJob."""

        async def set_finalizers(self, *_: Any) -> None:  # type: ignore[override]
            """It is gone."""

    server: Any = Gone(500)
    applier = Applier(server, Ledger(tmp_path / "dsn"), IMAGES)
    plan = Plan((AddFinalizer(), StartAttempt(1)), {"attempts": 1})
    assert asyncio.run(applier.carry_out(observed(), plan, NOW))
    assert server.tried == []


def test_what_found_itself_done_isnt_a_change(tmp_path: Path) -> None:
    """A run config that is there, an evaluation that was copied: nothing was written."""
    server: Any = Refusing(500, "get")
    applier = Applier(server, Ledger(tmp_path / "dsn"), IMAGES)
    there = Plan((EnsureRunConfig(child(run_config=None)), CopyEvaluation("x", {})), *halves(running_status()))
    assert not asyncio.run(applier.carry_out(observed(status=running_status()), there, NOW))


def _rig(api: MemoryApi) -> tuple[Applier, MemoryLedger]:
    kube: Any = api
    ledger: Any = MemoryLedger()
    return Applier(kube, ledger, IMAGES), ledger


def _do(api: MemoryApi, *actions: Any, seen: Observed | None = None) -> MemoryLedger:
    applier, ledger = _rig(api)
    found = seen or observed(status=running_status())
    assert asyncio.run(applier.carry_out(found, Plan(actions, *halves(found.raw_status)), NOW))
    return ledger


def test_each_action_is_carried_out_by_its_own_module() -> None:
    """With the job that it is about, and what this process remembers of that run."""
    api = MemoryApi()
    ledger = _do(api, EndRun("Completed"), StartAttempt(1), WriteRows(1, "s3://models/x/"), seen=observed())
    assert ledger.executed[:2] == [[UID], ["Completed", UID]]
    assert [each for each in api.writes if "jobs/" in each] == ["create jobs/sums-1", "create jobs/sums-1-rows"]
    image = api["/jobs/sums-1"]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == api["/jobs/sums-1-rows"]["spec"]["template"]["spec"]["containers"][0]["image"] == "image"
    api.hold(JOBS, {"metadata": {"name": "sums-1", "namespace": "team-a", "uid": "child-uid", "labels": {}}})
    _do(api, EnsureRunConfig(child(run_config=("c", "{}"))))
    assert "create configmaps/c" in api.writes
    api.hold(CHECKPOINTS, {"metadata": {"name": "mine", "namespace": "team-a", "uid": "c", "generation": 1}})
    _do(api, CopyEvaluation("mine", {"questions": 3}))
    assert api["/checkpoints/mine"]["status"]["evaluation"] == {"questions": 3}


def test_what_is_refused_is_remembered_of_its_run() -> None:
    """With the time of the pass, for the next one."""
    api = MemoryApi(refusals={"create /apis/batch": KubeError(403, "Forbidden", "quota")})
    applier, _ = _rig(api)
    seen = observed()
    for action in (StartAttempt(1), WriteRows(1, "s3://models/x/")):
        with pytest.raises(KubeError):
            asyncio.run(applier.carry_out(seen, Plan((action,), *halves({})), NOW))
    assert list(applier.memories) == [UID]
    memory = applier.memories[UID]
    assert memory.start is not None
    assert memory.start.again == at(30)
    assert memory.rows is not None
    assert ("quota" in memory.rows.message, memory.rows.again) == (True, at(30))


@pytest.mark.parametrize(
    "actions",
    [
        (EndRun("x"),),
        (DeletePod(pod()), EnsureRunConfig(child(run_config=None))),
        (StoreCheckpoint(claim()), CopyEvaluation("gone", {})),
        (ReleasePod(pod()), EnsureRunConfig(child(run_config=None))),
    ],
)
def test_a_pass_has_done_something_if_any_part_of_it_has(actions: tuple[Any, ...]) -> None:
    """What finds itself done after it changes that not."""
    _do(MemoryApi(), *actions)


def test_a_failed_stop_is_something_that_was_done() -> None:
    """A pass that tried is worth a word, and another one."""
    api = MemoryApi(refusals={"delete": KubeError(500, "Down", "no answer")})
    _do(api, DeletePod(pod()))


def test_what_a_failure_was_is_logged_with_its_job(caplog: pytest.LogCaptureFixture) -> None:
    """The action's name and the server's words."""
    api = MemoryApi(refusals={"delete": KubeError(500, "Down", "no answer")})
    _do(api, DeletePod(pod()), DeleteChild(child()))
    assert caplog.messages == [f"team-a/sums: {name}: no answer (500 Down)" for name in ("DeletePod", "DeleteChild")]


def test_finalizers_go_by_the_version_that_is_known_best() -> None:
    """The one that was observed, where no status was written; ours is put on or taken off as asked."""
    api = MemoryApi()
    body = api.hold(TRAINING_JOBS, job_body())
    seen = observed()
    held = seen.metadata.model_copy(update={"resource_version": body["metadata"]["resourceVersion"]})
    seen = replace(seen, job=seen.job.model_copy(update={"metadata": held}))
    _do(api, RemoveFinalizer(), seen=seen)
    assert api["/trainingjobs/sums"]["metadata"]["finalizers"] == []
    newest = api["/trainingjobs/sums"]["metadata"]["resourceVersion"]
    free = held.model_copy(update={"resource_version": newest, "finalizers": []})
    _do(api, AddFinalizer(), seen=replace(seen, job=seen.job.model_copy(update={"metadata": free})))
    assert api["/trainingjobs/sums"]["metadata"]["finalizers"] == [names.SETTLEMENT_FINALIZER]
