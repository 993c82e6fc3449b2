"""Claims about what is looked at, and what is ignored."""

from __future__ import annotations

import asyncio
import copy
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.trainyard_operator.builders import (
    CHILD_BODY,
    JOBS_POD_BODY,
    NOW,
    POD_BODY,
    POD_UID,
    UID,
    at,
    checkpoint,
    child,
    claim,
    ended_record,
    follows,
    job_body,
    observed,
    open_pod,
    pod_body,
    reported,
    running_status,
    time_text,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, NAMESPACES, NODES, PODS, TRAINING_JOBS, Kind
from trainyard_operator.cluster.listing import ClusterListing
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.trainingjob.decision.observed import ChildView, Observed, Refusal
from trainyard_operator.trainingjob.observe import Remembered, WarningsAbout, observe, own_pods


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


async def _no_warnings(namespace: str, uid: str) -> str:
    raise AssertionError(f"asked what went wrong with {namespace}/{uid}")


def _observe(
    body: dict[str, Any],
    live: Any,
    *,
    read_nodes: bool = True,
    claims: dict[str, tuple[Claim, ...]] | None,
    warnings: WarningsAbout = _no_warnings,
    remembered: Remembered | None = None,
    now: datetime = NOW,
    **lists: tuple[dict[str, Any], ...],
) -> Observed:
    bodies = {kind: lists.get(kind.plural, ()) for kind in (JOBS, PODS, CHECKPOINTS)}
    bodies[TRAINING_JOBS] = (body, *lists.get("trainingjobs", ()))

    async def claims_of(uid: str) -> tuple[Claim, ...] | None:
        return None if claims is None else claims.get(uid, ())

    looking = observe(
        ClusterListing(bodies, live),
        claims_of,
        body,
        warnings_about=warnings,
        read_nodes=read_nodes,
        keep_finished=timedelta(days=1),
        now=now,
        remembered=remembered,
    )
    return asyncio.run(looking)


def test_a_closed_job_is_looked_at_in_the_lists_alone() -> None:
    """Neither ledger nor nodes are asked, so that a finished job costs nothing."""
    ended = reported(ConditionType.SUCCEEDED, "True", "Completed")
    status = running_status(ended, cost={"spentUSD": "1", "settledUSD": "1"})
    seen = _observe(job_body(status=status), NoRequests(), claims={UID: (claim(),)})
    assert (seen.claims, seen.checkpoints) == (None, None)


def test_a_pod_just_bound_is_seen_with_its_nodes_labels() -> None:
    """Only then: its rate is fixed once."""
    fresh = _observe(job_body(), Nodes(), pods=(JOBS_POD_BODY,), jobs=(CHILD_BODY,), claims={})
    assert fresh.node_labels == {POD_UID: {"zone": "a"}}
    known = _observe(job_body(status=running_status()), NoRequests(), pods=(JOBS_POD_BODY,), claims={})
    assert known.node_labels == {}
    blind = _observe(job_body(), NoRequests(), read_nodes=False, pods=(JOBS_POD_BODY,), jobs=(CHILD_BODY,), claims={})
    assert blind.node_labels == {POD_UID: None}


def test_a_ledger_that_is_away_is_told_apart_from_an_empty_one() -> None:
    """None is not ()."""
    assert _observe(job_body(), NoRequests(), claims=None).claims is None
    assert _observe(job_body(), NoRequests(), claims={UID: ()}).claims == ()


def _pods(*bodies: dict[str, Any], status: dict[str, Any] | None = None, child: ChildView | None = None) -> list[str]:
    return [pod.uid for pod in own_pods(list(bodies), observed(status=status), child)]


def test_only_pods_that_the_child_controls_are_ours() -> None:
    """By the uid of the Job: labels can be copied by anyone who may create pods, and a name used again."""
    assert _pods(JOBS_POD_BODY, child=child()) == [POD_UID]
    assert _pods(JOBS_POD_BODY, status={"attempts": 1, "attempt": ended_record()}) == [POD_UID]
    # Its Job went before a pass could record it: name, number and our finalizer tell, whatever Job has the name now.
    assert _pods(JOBS_POD_BODY) == _pods(JOBS_POD_BODY, child=child(uid="other")) == [POD_UID]
    assert _pods(pod_body(finalizers=[])) == _pods(pod_body(finalizers=[]), child=child(ours=False)) == []
    owner = JOBS_POD_BODY["metadata"]["ownerReferences"][0]
    for stranger in (
        pod_body(ownerReferences=[owner | {"kind": "ReplicaSet"}]),
        pod_body(ownerReferences=[owner | {"controller": False}]),
        pod_body(ownerReferences=[owner | {"uid": "other", "name": "sums-11"}]),
        pod_body(ownerReferences=[owner | {"uid": "other"}], finalizers=[]),
        pod_body(
            ownerReferences=[owner | {"uid": "other", "name": "sums-2"}],
            labels=JOBS_POD_BODY["metadata"]["labels"] | {"trainyard.dev/attempt": "2"},
        ),
        pod_body(labels=JOBS_POD_BODY["metadata"]["labels"] | {"trainyard.dev/attempt": "x"}),
        pod_body(labels=JOBS_POD_BODY["metadata"]["labels"] | {"trainyard.dev/training-job": "other"}),
        pod_body(labels={}),
    ):
        assert _pods(stranger, child=child()) == [], stranger["metadata"]


def test_a_strangers_job_makes_no_pod_of_ours() -> None:
    """Though it has the name of one of ours, and its pods our labels and our finalizer."""
    stranger = child(uid="other", ours=False)
    owner = JOBS_POD_BODY["metadata"]["ownerReferences"][0]
    theirs = pod_body(ownerReferences=[owner | {"uid": "other"}])
    assert _pods(theirs, child=stranger) == []
    assert _pods(JOBS_POD_BODY, child=stranger) == [POD_UID]


def test_a_pod_that_is_billed_goes_on_being_ours() -> None:
    """Even if its Job was deleted with its pods orphaned; also once it is settled."""
    for cost in ({"openPods": [open_pod()]}, {"settledPods": [{"uid": POD_UID}]}):
        assert _pods(POD_BODY, status=running_status(cost=cost, attempt={"number": 1})) == [POD_UID]


def test_an_orphan_of_our_job_is_ours_while_we_hold_it() -> None:
    """The garbage collector takes the reference off; the Job controller's label and our finalizer stay."""
    orphan = copy.deepcopy(POD_BODY)
    orphan["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] = "child-uid"
    assert _pods(orphan, child=child()) == [POD_UID]
    assert _pods(orphan, child=child(uid="other")) == []
    orphan["metadata"]["finalizers"] = []
    assert _pods(orphan, child=child()) == []


def test_what_is_left_of_an_earlier_attempt_is_ours_while_we_hold_it() -> None:
    """Its Job is gone from the record; its name and the pod's number tell."""
    status = {"attempts": 2, "attempt": {"number": 2}}
    assert _pods(JOBS_POD_BODY, status=status) == [POD_UID]
    assert _pods(pod_body(finalizers=[]), status=status) == []
    owner = JOBS_POD_BODY["metadata"]["ownerReferences"][0]
    assert _pods(pod_body(ownerReferences=[owner | {"name": "sums-7"}]), status=status) == []
    later = pod_body(labels=JOBS_POD_BODY["metadata"]["labels"] | {"trainyard.dev/attempt": "3"})
    assert _pods(later, status=status) == []


async def _quota(namespace: str, uid: str) -> str:
    assert (namespace, uid) == ("team-a", "child-uid")
    return "exceeded quota"


async def _silence(*_: str) -> str:
    return ""


def test_why_a_job_has_no_pod_is_asked_once_it_had_time_to_make_one() -> None:
    """Ten seconds; where no event says why, that is said."""
    refused = _observe(job_body(), NoRequests(), claims={}, warnings=_quota, jobs=(CHILD_BODY,))
    assert refused.pod_refusal == "exceeded quota"
    silent = _observe(job_body(), NoRequests(), claims={}, warnings=_silence, jobs=(CHILD_BODY,))
    assert silent.pod_refusal == "no event says why: does the controller run?"
    assert _observe(job_body(), NoRequests(), claims={}, jobs=(CHILD_BODY,), now=at(-1)).pod_refusal == ""
    with_pod = _observe(job_body(), Nodes(), claims={}, jobs=(CHILD_BODY,), pods=(JOBS_POD_BODY,))
    assert with_pod.pod_refusal == ""
    for change in ({"deletionTimestamp": time_text(0)}, {"ownerReferences": []}, {"creationTimestamp": None}):
        body = CHILD_BODY | {"metadata": CHILD_BODY["metadata"] | change}
        assert _observe(job_body(), NoRequests(), claims={}, jobs=(body,)).pod_refusal == ""
    done = CHILD_BODY | {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}
    assert _observe(job_body(), NoRequests(), claims={}, jobs=(done,)).pod_refusal == ""


class Namespace(NoRequests):
    """One namespace; None: it is gone."""

    def __init__(self, phase: str | None) -> None:
        self.phase = phase

    async def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any] | None:
        """The namespace."""
        assert (kind, namespace, name) == (NAMESPACES, None, "team-a")
        return None if self.phase is None else {"status": {"phase": self.phase}}


@pytest.mark.parametrize(("phase", "goes"), [("Active", False), ("Terminating", True), (None, True)])
def test_whether_its_namespace_goes_is_asked_where_something_hints_at_it(phase: str | None, goes: bool) -> None:
    """A deletion of the job or of a pod, a refusal; otherwise it costs no request."""
    live, dying = Namespace(phase), pod_body(deletionTimestamp=time_text(3))
    refused = Refusal("forbidden", at(30))
    seen = (
        _observe(job_body(deleted=-1), live, claims={}),
        _observe(job_body(status=running_status()), live, claims={}, pods=(dying,)),
        _observe(job_body(), live, claims={}, remembered=Remembered({"s3://x/": refused})),
        _observe(job_body(), live, claims={}, remembered=Remembered(start=refused)),
    )
    assert [each.namespace_terminating for each in seen] == [goes] * 4
    assert (seen[2].refused_stores, seen[3].refused_start) == ({"s3://x/": refused}, refused)


def test_a_foreign_checkpoint_that_cant_be_read_is_as_good_as_none() -> None:
    """It carries the run's labels, and is never this job's fault."""
    good = checkpoint(claim()).model_dump(mode="json", by_alias=True, exclude_none=True)
    good["metadata"]["labels"] = {"trainyard.dev/training-job-uid": UID}
    broken = copy.deepcopy(good)
    broken["metadata"]["name"] = "broken"
    broken["spec"] = {"novel": True}
    seen = _observe(job_body(), NoRequests(), claims={}, checkpoints=(broken, good))
    assert [each.metadata.name for each in seen.checkpoints or ()] == [checkpoint(claim()).metadata.name]


def test_jobs_that_wait_for_each_other_are_found() -> None:
    """Along the way back to the one that asks; one that has pinned its checkpoint waits for nobody."""
    one = job_body(model={"checkpoint": {"trainingJob": "b"}})
    circle = _observe(one, NoRequests(), claims={}, trainingjobs=(follows("b", "c"), follows("c", "sums")))
    assert circle.source.circle == ("sums", "b", "c", "sums")
    open_end = _observe(one, NoRequests(), claims={}, trainingjobs=(follows("b", "c"),))
    assert open_end.source.circle == ()
    reference = {"checkpoint": "x", "uid": "x", "digest": claim().digest}
    pinned = _observe(one, NoRequests(), claims={}, trainingjobs=(follows("b", "sums", modelRef=reference),))
    assert pinned.source.circle == ()
    elsewhere = (follows("b", "c"), follows("c", "d"), follows("d", "b"))
    assert _observe(one, NoRequests(), claims={}, trainingjobs=elsewhere).source.circle == ()


def test_a_pod_that_cant_be_read_hides_no_other() -> None:
    """It is passed over, wherever it stands in the list."""
    broken = pod_body(labels={})
    assert _pods(broken, JOBS_POD_BODY, child=child()) == [POD_UID]
