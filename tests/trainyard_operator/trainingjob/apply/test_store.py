"""Claims about making Checkpoint objects where the API server refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_operator.builders import NAME, NOW, UID, at, claim, observed, running_status
from tests.trainyard_operator.memory_api import MemoryApi
from trainyard_operator.checkpoint.objects import checkpoint_body, claimed_status
from trainyard_operator.cluster.kube import CHECKPOINTS, KubeError
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.apply.memory import Memory
from trainyard_operator.trainingjob.apply.store import copy_evaluation, store
from trainyard_operator.trainingjob.decision.actions import CopyEvaluation, Plan, StoreCheckpoint
from trainyard_operator.trainingjob.decision.status import halves
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults


class Refusing:
    """An API server that has nothing and lets nothing be made."""

    def __init__(self, status: int, reason: str = "InternalError") -> None:
        self.error = KubeError(status, reason, "failed calling webhook")

    async def get(self, path: str) -> None:
        """Nothing is there."""

    async def create(self, *_: Any) -> None:
        """Refuses."""
        raise self.error


@pytest.mark.parametrize("deleted", [None, -1])
@pytest.mark.parametrize("status", [0, 403, 429, 500, 503])
def test_no_pass_waits_for_a_checkpoint_to_be_made(tmp_path: Path, status: int, deleted: int | None) -> None:
    """A webhook that is down answers 500 for ever: it is remembered for the status, and all else goes on."""
    server: Any = Refusing(status)
    applier = Applier(server, Ledger(tmp_path / "dsn"), PodDefaults("image", "Never"))
    seen = observed(status=running_status(), deleted=deleted)
    asyncio.run(applier.carry_out(seen, Plan((StoreCheckpoint(claim()),), *halves(seen.raw_status)), NOW))
    remembered = applier.memories[UID].stores[claim().uri]
    assert "failed calling webhook" in remembered.message
    assert remembered.message.endswith(f"got {claim().uri}")
    assert remembered.again == at(30)


def test_an_object_that_has_just_changed_isnt_a_refusal() -> None:
    """The next pass looks again."""
    server: Any = Refusing(409, "Conflict")
    memory = Memory()
    with pytest.raises(KubeError):
        asyncio.run(store(server, observed(status=running_status()), StoreCheckpoint(claim()), memory, NOW))
    assert memory.stores == {}


class Holding:
    """An API server that holds a Checkpoint, and takes its status."""

    def __init__(self, uri: str) -> None:
        metadata = {"name": "sums-5b1c0-1-10", "namespace": "team-a", "uid": "c", "generation": 1}
        self.body = {"metadata": metadata, "spec": {"source": {"uri": uri}}}
        self.written: list[dict[str, Any]] = []

    async def get(self, path: str) -> dict[str, Any]:
        """The object."""
        assert path.endswith("/checkpoints/sums-5b1c0-1-10")
        return self.body

    async def apply(self, _: str, body: dict[str, Any], manager: str) -> dict[str, Any]:
        """Takes a status."""
        assert manager == "trainyard-operator"
        self.written.append(body["status"])
        return {"metadata": {"resourceVersion": "2"}}


def test_what_is_made_is_no_longer_refused() -> None:
    """An object that a pass has left without a status gets it, with the Checkpoint that the run started from."""
    server: Any = Holding(claim().uri)
    memory = Memory({claim().uri: Any})
    reference = {"checkpoint": "parent", "uid": "p", "digest": claim().digest}
    seen = observed(status=running_status(modelRef=reference))
    asyncio.run(store(server, seen, StoreCheckpoint(claim()), memory, NOW))
    assert memory.stores == {}
    assert [(status["uri"], status["parentRef"]) for status in server.written] == [(claim().uri, {"name": "parent"})]


def test_an_object_for_other_files_is_never_filled() -> None:
    """Somebody has made one of that name."""
    server: Any = Holding("s3://elsewhere/")
    memory = Memory()
    with pytest.raises(KubeError, match="stands for other files"):
        asyncio.run(store(server, observed(status=running_status()), StoreCheckpoint(claim()), memory, NOW))
    assert server.written == []
    assert list(memory.stores) == [claim().uri]


def test_an_object_is_made_and_filled_with_what_the_claim_says() -> None:
    """Of this run; without a checkpoint that it started from there is no parent."""
    api = MemoryApi()
    kube: Any = api
    seen = observed(status=running_status())
    asyncio.run(store(kube, seen, StoreCheckpoint(claim()), Memory(), NOW))
    name = claim().object_name(NAME, UID)
    assert api.writes == [f"create checkpoints/{name}", f"apply checkpoints/{name}/status by trainyard-operator"]
    made = api[f"/checkpoints/{name}"]
    storage = seen.spec.checkpoints.storage
    body = checkpoint_body(claim(), storage, namespace="team-a", job=NAME, job_uid=UID)
    assert made["spec"] == body["spec"]
    assert made["metadata"].items() >= body["metadata"].items()
    assert made["status"] == claimed_status(claim(), job=NAME, job_uid=UID, parent=None, generation=1, now=NOW)


def test_a_name_that_stands_for_other_files_is_a_refusal_of_its_own() -> None:
    """No conflict that passes: a person has to look."""
    server: Any = Holding("s3://elsewhere/")
    with pytest.raises(KubeError) as caught:
        asyncio.run(store(server, observed(status=running_status()), StoreCheckpoint(claim()), Memory(), NOW))
    assert (caught.value.status, caught.value.reason) == (409, "NameConflict")


def test_an_evaluation_is_copied_onto_its_checkpoint_once() -> None:
    """All else of its status stays; one that is gone, or has it, is left alone."""
    api = MemoryApi()
    kube: Any = api
    action = CopyEvaluation("mine", {"questions": 3})
    assert not asyncio.run(copy_evaluation(kube, "team-a", action))
    made = {"metadata": {"name": "mine", "namespace": "team-a", "uid": "c", "generation": 1}, "status": {"step": 5}}
    api.hold(CHECKPOINTS, made)
    assert asyncio.run(copy_evaluation(kube, "team-a", action))
    assert api.sent[api.writes[0]]["status"] == {"step": 5, "evaluation": {"questions": 3}}
    assert not asyncio.run(copy_evaluation(kube, "team-a", action))
    assert not asyncio.run(copy_evaluation(kube, "elsewhere", action))
    bare = {"metadata": {"name": "bare", "namespace": "team-a", "uid": "d", "generation": 1}, "status": None}
    api.hold(CHECKPOINTS, bare)
    with_none = CopyEvaluation("bare", {"questions": 1})
    api.objects = {path: {k: v for k, v in body.items() if v is not None} for path, body in api.objects.items()}
    assert asyncio.run(copy_evaluation(kube, "team-a", with_none))


def test_what_was_never_refused_needs_no_forgetting() -> None:
    """A first try that succeeds."""
    server: Any = Holding(claim().uri)
    memory = Memory()
    asyncio.run(store(server, observed(status=running_status()), StoreCheckpoint(claim()), memory, NOW))
    assert memory == Memory()
