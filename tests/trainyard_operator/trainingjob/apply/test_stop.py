"""Claims about one part of a stop at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.trainyard_operator.builders import NOW, POD_UID, UID, child, observed, pod, time_text
from trainyard_operator.cluster.kube import KubeError
from trainyard_operator.trainingjob.apply import stop
from trainyard_operator.trainingjob.decision.actions import DeleteChild, DeletePod, RecordCancel, RecordStop


class Server:
    """Writes down what was asked; a record may take for ever."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.asked: list[tuple[str, Any, str]] = []
        self.hangs = hangs

    async def latch(self, path: str, uid: str, fields: dict[str, Any], manager: str) -> None:
        """Fields of the status of an object."""
        self.asked.append((path, {uid: fields}, manager))
        if self.hangs:
            await asyncio.Event().wait()

    async def delete(self, path: str, uid: str) -> None:
        """A deletion."""
        self.asked.append((path, uid, ""))


def _asked(action: Any) -> list[tuple[str, Any, str]]:
    server: Any = Server()
    asyncio.run(stop.carry_out(server, observed().metadata, action, NOW))
    return server.asked


PATH = "/apis/trainyard.dev/v1alpha1/namespaces/team-a/trainingjobs/sums"


def test_a_record_goes_to_the_very_object_whatever_its_version() -> None:
    """By uid, without a resourceVersion, by the manager of money and stops."""
    record = {"stop": {"cause": "Suspended", "time": time_text(0), "attempt": 2}}
    for action, status in ((RecordStop("Suspended", 2), record), (RecordCancel(), {"cancelTime": time_text(0)})):
        assert _asked(action) == [
            (PATH, {UID: status}, "trainyard-operator-budget"),
        ]


def test_child_and_pods_are_deleted_by_their_uids() -> None:
    """The Job of another attempt, or another pod of that name, stays."""
    assert _asked(DeleteChild(child())) == [("/apis/batch/v1/namespaces/team-a/jobs/sums-1", "child-uid", "")]
    assert _asked(DeletePod(pod())) == [("/api/v1/namespaces/team-a/pods/sums-1-abcde", POD_UID, "")]


def test_a_stop_waits_for_its_record_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds; then it is an error like any other, and the stop goes on."""
    assert stop.RECORD_SECONDS == 2.0
    monkeypatch.setattr(stop, "RECORD_SECONDS", 0.01)
    server: Any = Server(hangs=True)
    with pytest.raises(KubeError, match="no answer within") as caught:
        asyncio.run(stop.carry_out(server, observed().metadata, RecordStop("Deleted", 1), NOW))
    assert (caught.value.status, caught.value.reason, caught.value.conflict) == (0, "Timeout", False)
