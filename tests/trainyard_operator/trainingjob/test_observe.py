"""Claims about what is looked at, and what is ignored."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from tests.trainyard_operator.builders import (
    JOBS_POD_BODY,
    POD_BODY,
    POD_UID,
    UID,
    job,
    job_body,
    open_pod,
    reported,
    running_status,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, NODES, PODS, TRAINING_JOBS, Kind
from trainyard_operator.cluster.listing import ClusterListing
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.trainingjob.observe import observe, own_pods
from trainyard_operator.trainingjob.observed import Observed


class NoRequests:
    """A cluster in which nothing may be asked for one by one."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")


class Nodes(NoRequests):
    """One node, for pods that have just been bound."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any]:
        """The node."""
        assert (kind, namespace, name) == (NODES, None, "node-1")
        return {"metadata": {"labels": {"zone": "a"}}}


def _observe(
    body: dict[str, Any],
    live: Any,
    *,
    read_nodes: bool = True,
    claims: dict[str, tuple[Claim, ...]] | None,
    pods: tuple[dict[str, Any], ...] = (),
) -> Observed:
    lists = {TRAINING_JOBS: [body], JOBS: [], PODS: pods, CHECKPOINTS: []}

    async def claims_of(uid: str) -> tuple[Claim, ...] | None:
        return None if claims is None else claims.get(uid, ())

    return asyncio.run(observe(ClusterListing(lists, live), claims_of, body, read_nodes=read_nodes))


def test_a_closed_job_is_looked_at_in_the_lists_alone() -> None:
    """Neither ledger nor nodes are asked, so that a finished job costs nothing."""
    ended = reported(ConditionType.SUCCEEDED, "True", "Completed")
    status = running_status(ended, cost={"spentUSD": "1", "settledUSD": "1"})
    seen = _observe(job_body(status=status), NoRequests(), claims=None)
    assert seen.claims == ()


def test_a_pod_just_bound_is_seen_with_its_nodes_labels() -> None:
    """Only then: its rate is fixed once."""
    fresh = _observe(job_body(), Nodes(), pods=(JOBS_POD_BODY,), claims={})
    assert fresh.node_labels == {POD_UID: {"zone": "a"}}
    known = _observe(job_body(status=running_status()), NoRequests(), pods=(JOBS_POD_BODY,), claims={})
    assert known.node_labels == {}
    blind = _observe(job_body(), NoRequests(), read_nodes=False, pods=(JOBS_POD_BODY,), claims={})
    assert blind.node_labels == {POD_UID: None}


def test_a_ledger_that_is_away_is_told_apart_from_an_empty_one() -> None:
    """None is not ()."""
    assert _observe(job_body(), NoRequests(), claims=None).claims is None
    assert _observe(job_body(), NoRequests(), claims={UID: ()}).claims == ()


def test_only_pods_that_the_child_controls_are_ours() -> None:
    """Labels can be copied by anyone who may create pods."""
    assert [pod.uid for pod in own_pods([JOBS_POD_BODY], job())] == [POD_UID]
    assert own_pods([POD_BODY], job()) == ()
    other = copy.deepcopy(JOBS_POD_BODY)
    other["metadata"]["ownerReferences"][0]["name"] = "another-1"
    broken = copy.deepcopy(JOBS_POD_BODY)
    broken["metadata"]["labels"]["trainyard.dev/attempt"] = "x"
    assert own_pods([other, broken], job()) == ()


def test_a_pod_that_is_billed_goes_on_being_ours() -> None:
    """Even if its Job was deleted with its pods orphaned."""
    billed = job(status=running_status(cost={"openPods": [open_pod()]}))
    assert [pod.uid for pod in own_pods([POD_BODY], billed)] == [POD_UID]
