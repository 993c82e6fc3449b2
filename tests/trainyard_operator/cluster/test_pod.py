"""Claims about what is read of a pod."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from tests.trainyard_operator.builders import NAME, POD_BODY, UID, at, pod, time_text
from trainyard_operator.cluster.pod import Resources, read_pod


def _body(**status: Any) -> dict[str, Any]:
    body = copy.deepcopy(POD_BODY)
    body["status"] |= status
    return body


def test_a_running_pod_is_bound_started_and_charged_by_its_requests() -> None:
    """Billing begins with the PodScheduled transition."""
    seen = read_pod(POD_BODY)
    assert (seen.bound_time, seen.started, seen.ended) == (at(-100), True, False)
    assert seen.resources == Resources(Decimal(2), Decimal(3), 2, "L4")
    assert (seen.job_name, seen.job_uid, seen.attempt, seen.held) == (NAME, UID, 1, True)


def test_an_ended_pod_has_code_message_and_time() -> None:
    """Of its trainer container."""
    state = {"terminated": {"exitCode": 20, "reason": "Error", "message": "why", "finishedAt": time_text(-10)}}
    seen = read_pod(_body(phase="Failed", containerStatuses=[{"name": "trainer", "state": state}]))
    assert (seen.exit_code, seen.termination_text, seen.finished_time) == (20, "why", at(-10))
    assert seen.ended
    assert seen.terminal


def test_billing_ends_with_the_last_container() -> None:
    """Exit code and message are the trainer's."""
    states = {
        "trainer": {"terminated": {"exitCode": 0, "finishedAt": time_text(-30)}},
        "added-by-the-cluster": {"terminated": {"exitCode": 1, "finishedAt": time_text(-20)}},
    }
    statuses = [{"name": name, "state": state} for name, state in states.items()]
    seen = read_pod(_body(phase="Succeeded", containerStatuses=statuses))
    assert (seen.exit_code, seen.finished_time) == (0, at(-20))


def test_a_waiting_pod_says_why() -> None:
    """Reason and message of the kubelet."""
    state = {"waiting": {"reason": "ErrImagePull", "message": "unknown"}}
    seen = read_pod(_body(phase="Pending", containerStatuses=[{"name": "trainer", "state": state}]))
    assert (seen.waiting_reason, seen.waiting_message, seen.started) == ("ErrImagePull", "unknown", False)


def test_an_unscheduled_pod_isnt_bound() -> None:
    """The scheduler's message is kept."""
    body = _body(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}], containerStatuses=[])
    del body["spec"]["nodeName"]
    seen = read_pod(body)
    assert (seen.bound, seen.unschedulable) == (False, "0/3 nodes")


def test_a_pod_bound_without_the_scheduler_is_billed_from_its_start() -> None:
    """Such a pod has no PodScheduled condition."""
    assert read_pod(_body(conditions=[], startTime=time_text(-95))).bound_time == at(-95)


def test_what_was_taken_away_is_seen() -> None:
    """The condition DisruptionTarget and an out-of-memory kill."""
    disrupted = {"type": "DisruptionTarget", "status": "True", "message": "preempted"}
    seen = read_pod(_body(conditions=[*POD_BODY["status"]["conditions"], disrupted]))
    assert seen.disruption == "preempted"
    state = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    assert read_pod(_body(containerStatuses=[{"name": "trainer", "state": state}])).out_of_memory


def test_deleted_without_grace_means_ended() -> None:
    """Our finalizer keeps such a pod; one that is stopping with grace goes on."""
    forced, stopping = copy.deepcopy(POD_BODY), copy.deepcopy(POD_BODY)
    forced["metadata"] |= {"deletionTimestamp": time_text(0), "deletionGracePeriodSeconds": 0}
    stopping["metadata"] |= {"deletionTimestamp": time_text(30), "deletionGracePeriodSeconds": 30}
    assert read_pod(forced).ended
    assert not read_pod(stopping).ended


def test_a_pod_deleted_before_it_was_bound_has_ended() -> None:
    """Nothing will ever run in it."""
    assert pod(bound_time=None, node_name=None, deletion_time=at(0), started=False).ended


@pytest.mark.parametrize("broken", ["labels", "containers"])
def test_a_foreign_pod_is_refused(broken: str) -> None:
    """Without our labels or container it isn't one of ours."""
    body = copy.deepcopy(POD_BODY)
    if broken == "labels":
        body["metadata"]["labels"] = {}
    else:
        body["spec"]["containers"] = []
    with pytest.raises((KeyError, ValueError)):
        read_pod(body)
