"""Claims about starting an attempt where the API server refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.servers import postgres
from tests.trainyard_operator.builders import NAME, NOW, UID, at, checkpoint, child, claim, observed
from tests.trainyard_operator.memory_api import MemoryApi, MemoryLedger
from trainyard_api import names
from trainyard_operator.cluster.access import access_bodies
from trainyard_operator.cluster.kube import CONFIG_MAPS, JOBS, SERVICE_ACCOUNTS, KubeError
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.apply.memory import Memory, refusal
from trainyard_operator.trainingjob.apply.start import ensure_run_config, grant, start, write_rows
from trainyard_operator.trainingjob.decision.actions import Plan, StartAttempt, WriteRows
from trainyard_operator.trainingjob.decision.observed import ChildView, Observed
from trainyard_operator.trainingjob.decision.status import halves
from trainyard_operator.trainingjob.trainer_pod.child_job import RUN_CONFIG_ANNOTATION, Rendering
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults
from trainyard_operator.trainingjob.trainer_pod.rows_job import rows_job_body, writer_of
from trainyard_operator.trainingjob.trainer_pod.run_config import config_map_name, run_config_text

DEFAULTS = PodDefaults("image", "Never")


class Holding:
    """An API server that holds one object under every name, and writes down what is applied."""

    def __init__(self, *owners: dict[str, Any]) -> None:
        self.existing = {"metadata": {"name": "sums-trainer", "ownerReferences": list(owners)}}
        self.applied: list[str] = []

    async def get(self, _: str) -> dict[str, Any]:
        """The object."""
        return self.existing

    async def apply(self, path: str, *_: Any) -> None:
        """Takes anything."""
        self.applied.append(path)


@pytest.mark.parametrize(
    ("owners", "status"),
    [
        ([], 422),
        ([{"kind": "TrainingJob", "name": "other", "uid": "x", "controller": True}], 422),
        ([{"kind": "TrainingJob", "name": NAME, "uid": UID}], 422),
        ([{"kind": "TrainingJob", "name": NAME, "uid": "former", "controller": True}], 409),
    ],
)
def test_user_code_never_runs_under_an_account_that_isnt_its_jobs(owners: list[dict[str, Any]], status: int) -> None:
    """It may have any rights; what a former job of this name has left is waited for."""
    server: Any = Holding(*owners)
    job = observed().job
    with pytest.raises(KubeError, match='serviceaccounts "sums-trainer" exists') as caught:
        asyncio.run(grant(server, SERVICE_ACCOUNTS, access_bodies(job)[0], job.metadata))
    assert caught.value.status == status
    assert server.applied == []


def test_its_own_account_is_applied_again() -> None:
    """A pass that was cut off may have made it."""
    server: Any = Holding({"kind": "TrainingJob", "name": NAME, "uid": UID, "controller": True})
    job = observed().job
    asyncio.run(grant(server, SERVICE_ACCOUNTS, access_bodies(job)[0], job.metadata))
    assert server.applied == ["/api/v1/namespaces/team-a/serviceaccounts/sums-trainer"]


class Granting:
    """An API server that has nothing, and lets nothing be made but the job's account and rights."""

    def __init__(self, status: int) -> None:
        self.status = status

    async def get(self, path: str) -> None:
        """Nothing is there."""

    async def create(self, *_: Any) -> None:
        """Refuses."""
        raise KubeError(self.status, "InternalError", "failed calling webhook")

    async def apply(self, *_: Any) -> None:
        """Takes anything."""


def _start(api: MemoryApi, memory: Memory | None = None, seen: Observed | None = None) -> MemoryLedger:
    ledger: Any = MemoryLedger()
    kube: Any = api
    asyncio.run(start(kube, ledger, DEFAULTS, seen or observed(), memory or Memory(), NOW))
    return ledger


ORDER = [
    "apply serviceaccounts/sums-trainer by trainyard-operator",
    "apply roles/sums-trainer by trainyard-operator",
    "apply rolebindings/sums-trainer by trainyard-operator",
    "create jobs/sums-1",
]
TEXT = run_config_text(observed().job, 1, None)
MAP = config_map_name(NAME, 1, TEXT)


def test_a_start_fences_grants_and_makes_the_job_before_its_run_config() -> None:
    """The ledger's row first; rights one after the other; the run config belongs to the Job."""
    api = MemoryApi()
    ledger = _start(api, seen=observed(spec={"tags": {"commit": "1a2b"}}))
    assert [values[0] for values in ledger.executed] == [UID, UID]
    assert {"team-a", NAME, 1} <= {value for value in ledger.executed[0] if isinstance(value, str | int)}
    assert [str(values[2]) for values in ledger.executed[1:]] == ["sums-1"]
    assert api.writes[:4] == ORDER
    (made,) = api.writes[4:]
    name = made.removeprefix("create configmaps/")
    job = api["/jobs/sums-1"]
    assert job["spec"]["template"]["spec"]["volumes"][1]["configMap"] == {"name": name}
    config_map = api[f"/configmaps/{name}"]
    text = config_map["data"]["run.json"]
    assert job["metadata"]["annotations"][RUN_CONFIG_ANNOTATION] == text
    assert '"tags":{"commit":"1a2b"}' in text
    assert config_map["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"] == "uid-of-sums-1"
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "image"
    for kind, body in zip(("serviceaccounts", "roles", "rolebindings"), access_bodies(observed().job), strict=True):
        assert api.sent[f"apply {kind}/sums-trainer by trainyard-operator"] == body


def test_a_start_pins_what_it_was_told_to() -> None:
    """Model and baseline of the observation reach run config and Job; the attempt is the status's."""
    one, other = checkpoint(claim(10), name="mine"), checkpoint(claim(5), name="other")
    references = {
        field: {"checkpoint": name, "uid": "checkpoint-uid", "digest": of.digest}
        for field, name, of in (("modelRef", "mine", claim(10)), ("baselineRef", "other", claim(5)))
    }
    spec = {
        "model": {"checkpoint": {"name": "mine"}},
        "algorithm": {"type": "Evaluation"},
        "evaluation": {"baseline": {"checkpoint": "other"}},
    }
    seen = observed(spec=spec, status={"attempts": 3, **references}, pinned=one, baseline=other)
    api = MemoryApi()
    ledger = _start(api, seen=seen)
    assert "sums-3" in ledger.executed[1]
    text = api["/jobs/sums-3"]["metadata"]["annotations"][RUN_CONFIG_ANNOTATION]
    assert text == run_config_text(seen.job, 3, one, other)
    environment = {entry["name"] for entry in api["/jobs/sums-3"]["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert {names.ENV_MODEL_ACCESS_KEY, names.ENV_BASELINE_ACCESS_KEY} <= environment


def test_a_run_config_that_is_there_is_kept() -> None:
    """A pass that was cut off has made it; a Job of that name is a conflict."""
    api = MemoryApi()
    api.hold(CONFIG_MAPS, {"metadata": {"name": MAP, "namespace": "team-a"}, "data": "kept"})
    _start(api)
    assert api[f"/configmaps/{MAP}"]["data"] == "kept"
    with pytest.raises(KubeError) as caught:
        _start(api)
    assert caught.value.conflict
    api = MemoryApi(refusals={"create /api/v1/namespaces/team-a/configmaps": KubeError(500, "Down", "no")})
    with pytest.raises(KubeError, match="no"):
        _start(api)


@pytest.mark.parametrize(
    ("status", "kept"),
    [(status, True) for status in (400, 403, 422, 499)] + [(s, False) for s in (0, 399, 404, 409, 429, 500, 503)],
)
def test_a_refusal_that_a_person_may_mend_is_remembered(status: int, kept: bool) -> None:
    """As a quota: the next pass says it; what passes by itself isn't, and a start that succeeds forgets it."""
    memory = Memory(start=refusal("before", NOW))
    error = KubeError(status, "Forbidden", "exceeded quota")
    with pytest.raises(KubeError):
        _start(MemoryApi(refusals={"create /apis/batch/v1/namespaces/team-a/jobs": error}), memory)
    assert memory.start is not None
    expected = f'metadata.name: its pod can\'t be made: {error}; got "sums"' if kept else "before"
    assert (memory.start.message, memory.start.again) == (expected, at(30))
    _start(MemoryApi(), memory)
    assert memory.start is None


def test_a_right_is_granted_again_until_its_role_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few times, each after a longer pause; another refusal, or one too many, ends the start."""
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            api.refusals.clear()

    monkeypatch.setattr(asyncio, "sleep", note)
    path = "apply /apis/rbac.authorization.k8s.io/v1/namespaces/team-a/rolebindings"
    unseen = KubeError(404, "NotFound", "no such role")
    api = MemoryApi(refusals={path: unseen})
    _start(api)
    assert pauses == [0.05, 0.2]
    assert api.writes[:5] == [*ORDER[:2], *[ORDER[2]] * 3]
    pauses[:] = [0, 0, 0]
    api = MemoryApi(refusals={path: unseen})
    with pytest.raises(KubeError) as caught:
        _start(api)
    assert (caught.value, pauses[3:]) == (unseen, [0.05, 0.2, 0.5])
    api = MemoryApi(refusals={path: KubeError(403, "Forbidden", "no")})
    with pytest.raises(KubeError, match="no"):
        _start(api)
    assert len(pauses) == 6


def _ensure(api: MemoryApi, view: ChildView) -> bool:
    kube: Any = api
    return asyncio.run(ensure_run_config(kube, "team-a", view))


def test_a_run_config_is_made_for_the_very_job_that_lacks_it() -> None:
    """From the text that the Job carries; not for another of its name, nor one that mounts none."""
    view = child(run_config=("c", "{}"))
    job = {"metadata": {"name": "sums-1", "namespace": "team-a", "uid": "child-uid", "labels": {"a": "b"}}}
    api = MemoryApi()
    assert not _ensure(api, view)
    api.hold(JOBS, job)
    assert not _ensure(api, child(run_config=("c", "{}"), uid="another"))
    assert not _ensure(api, child(run_config=None))
    assert api.writes == []
    assert _ensure(api, view)
    assert api["/configmaps/c"]["data"] == {"run.json": "{}"}
    assert api["/configmaps/c"]["metadata"]["ownerReferences"][0]["uid"] == "child-uid"
    assert not _ensure(api, view)
    assert api.writes == ["create configmaps/c"]


def _write_rows(api: MemoryApi, memory: Memory) -> None:
    kube: Any = api
    asyncio.run(write_rows(kube, DEFAULTS, observed(), WriteRows(2, "s3://models/x/"), memory, NOW))


def test_carried_rows_get_a_job_of_their_own_and_its_run_config() -> None:
    """Of the attempt that carries them, with what they need alone."""
    api, memory = MemoryApi(), Memory()
    _write_rows(api, memory)
    first, second = api.writes
    assert first == "create jobs/sums-2-rows"
    job, name = api["/jobs/sums-2-rows"], second.removeprefix("create configmaps/")
    reduced = writer_of(observed().job)
    text = run_config_text(reduced, 2, None)
    assert name == config_map_name(NAME, 2, text)
    expected = rows_job_body(reduced, Rendering(2, DEFAULTS, name, text), "s3://models/x/")
    assert job["spec"] == expected["spec"]
    assert api[f"/configmaps/{name}"]["data"] == {"run.json": text}
    assert api[f"/configmaps/{name}"]["metadata"]["ownerReferences"][0]["name"] == "sums-2-rows"
    assert memory.rows is None


@pytest.mark.parametrize(
    ("status", "kept"),
    [(400, True), (403, True), (499, True), (399, False), (404, False), (409, False), (429, False), (500, False)],
)
def test_rows_that_may_not_be_written_are_remembered_as_such(status: int, kept: bool) -> None:
    """A quota keeps no job from ending for ever; what passes by itself is tried again."""
    memory, error = Memory(), KubeError(status, "Forbidden", "exceeded quota")
    with pytest.raises(KubeError):
        _write_rows(MemoryApi(refusals={"create /apis/batch": error}), memory)
    assert memory.rows == (refusal(f"its Job can't be made: {error}", NOW) if kept else None)


@pytest.mark.integration
def test_a_refused_start_is_remembered_until_it_succeeds(tmp_path: Path) -> None:
    """What a person may mend is kept for the status; what passes by itself isn't."""
    with postgres() as server:
        (tmp_path / "dsn").write_text(server.database().owner)
        ledger, seen = Ledger(tmp_path / "dsn"), observed()
        plan = Plan((StartAttempt(1),), *halves(seen.raw_status))
        for status, kept in ((403, True), (422, True), (0, False), (409, False), (429, False), (503, False)):
            api: Any = Granting(status)
            applier = Applier(api, ledger, PodDefaults("image", "Never"))
            with pytest.raises(KubeError):
                asyncio.run(applier.carry_out(seen, plan, NOW))
            assert (applier.memories[UID].start is not None) is kept, status
        asyncio.run(ledger.close())
