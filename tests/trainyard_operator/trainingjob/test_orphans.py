"""Claims about pods that outlive their TrainingJob."""

from __future__ import annotations

import asyncio
import copy
from decimal import Decimal
from typing import Any

import pytest

from tests.trainyard_operator.bench import PRICES
from tests.trainyard_operator.builders import NAME, NOW, POD_BODY, POD_UID, TABLE, UID, at, time_text
from tests.trainyard_operator.memory_api import MemoryApi, MemoryLedger
from trainyard_api import names
from trainyard_operator.cluster.kube import NODES, PODS, TRAINING_JOBS
from trainyard_operator.cluster.pod import read_pod
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob.orphans import orphans_in, settle_orphan

ENDED = copy.deepcopy(POD_BODY)
ENDED["status"]["phase"] = "Failed"


def test_an_ended_pod_without_its_job_is_an_orphan() -> None:
    """By the uid of the job, not by its name."""
    assert [pod.uid for pod in orphans_in([ENDED], {"another"})] == [POD_UID]
    assert orphans_in([ENDED], {UID}) == []


def test_a_living_pod_or_one_that_we_dont_hold_is_left_alone() -> None:
    """The first still costs money; the second waits for nobody."""
    free = copy.deepcopy(ENDED)
    free["metadata"]["finalizers"] = []
    nobodys = copy.deepcopy(ENDED)
    del nobodys["metadata"]["finalizers"]
    assert orphans_in([POD_BODY, free, nobodys], set()) == []


def _settle(api: MemoryApi, body: dict[str, Any], *, read_nodes: bool = True) -> MemoryLedger:
    kube: Any = api
    ledger: Any = MemoryLedger()
    asyncio.run(settle_orphan(kube, ledger, TABLE, read_pod(body), NOW, read_nodes=read_nodes))
    return ledger


def _held(api: MemoryApi, **changes: Any) -> dict[str, Any]:
    body = copy.deepcopy(ENDED) | changes
    body["metadata"] = body["metadata"] | {"finalizers": ["example.dev/keeps", names.ACCOUNTING_FINALIZER]}
    return api.hold(PODS, body)


GPU = Prices.model_validate(
    PRICES
    | {
        "gpus": [
            {"product": "L4", "instanceType": "small", "usdPerGPUHour": "1"},
            {"product": "L4", "usdPerGPUHour": "4"},
        ]
    }
)
FINISHED = {"terminated": {"exitCode": 1, "finishedAt": time_text(-10)}}


def test_an_orphan_is_booked_at_its_nodes_price_and_let_go() -> None:
    """Its row has the run that it belonged to; only our finalizer comes off."""
    api = MemoryApi()
    api.hold(NODES, {"metadata": {"name": "node-1", "labels": {"node.kubernetes.io/instance-type": "small"}}})
    body = _held(api)
    body["status"]["containerStatuses"] = [{"name": "trainer", "state": FINISHED}]
    kube: Any = api
    ledger: Any = MemoryLedger()
    asyncio.run(settle_orphan(kube, ledger, GPU, read_pod(body), NOW, read_nodes=True))
    rate = Decimal(2) * 1 + Decimal(3) * Decimal("0.5") + 2 * 1
    amount = (rate * 90 / 3600).quantize(Decimal("0.000001"))
    (row,) = ledger.executed
    expected = {POD_UID, UID, "team-a", NAME, f"{NAME}-1-abcde", at(-100), at(-10), rate, amount}
    assert set(row) == expected
    assert api[f"/pods/{NAME}-1-abcde"]["metadata"]["finalizers"] == ["example.dev/keeps"]
    assert api.asked[0] == f"get /apis/trainyard.dev/v1alpha1/namespaces/team-a/trainingjobs/{NAME}"


@pytest.mark.parametrize(("read_nodes", "known"), [(True, False), (False, False), (False, True)])
def test_a_node_that_is_gone_or_may_not_be_read_is_never_cheaper(read_nodes: bool, known: bool) -> None:
    """What could have been assumed at the start is charged; without the right, no node is asked for."""
    api = MemoryApi()
    if known:
        api.hold(NODES, {"metadata": {"name": "node-1", "labels": {"node.kubernetes.io/instance-type": "small"}}})
    body = _held(api)
    kube: Any = api
    ledger: Any = MemoryLedger()
    asyncio.run(settle_orphan(kube, ledger, GPU, read_pod(body), NOW, read_nodes=read_nodes))
    assert Decimal(2) + Decimal("1.5") + 8 in ledger.executed[0]
    assert any("/nodes/" in asked for asked in api.asked) is read_nodes


def test_a_pod_without_a_node_cost_nothing_and_is_let_go() -> None:
    """No row."""
    api = MemoryApi()
    body = _held(api, spec=ENDED["spec"] | {"nodeName": None})
    body["status"] = {"phase": "Failed"}
    assert _settle(api, body).executed == []
    assert api[f"/pods/{NAME}-1-abcde"]["metadata"]["finalizers"] == ["example.dev/keeps"]


def test_the_pod_of_a_job_that_is_there_after_all_is_left_to_it() -> None:
    """By uid: a later job of the same name isn't its job."""
    api = MemoryApi()
    body = _held(api)
    job = {"metadata": {"name": NAME, "namespace": "team-a", "uid": UID}}
    api.hold(TRAINING_JOBS, job)
    assert _settle(api, body).executed == []
    assert api.writes == []
    api.hold(TRAINING_JOBS, {"metadata": job["metadata"] | {"uid": "another"}})
    assert len(_settle(api, body).executed) == 1
    assert api.writes == [f"finalizers pods/{NAME}-1-abcde"]


def test_a_malformed_pod_stops_nobody() -> None:
    """It is logged and passed over."""
    broken = copy.deepcopy(ENDED)
    broken["metadata"]["creationTimestamp"] = time_text(0) + "x"
    assert [pod.uid for pod in orphans_in([broken, ENDED], set())] == [POD_UID]
