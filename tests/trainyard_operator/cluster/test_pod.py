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
    assert seen.grace_seconds is None
    graced = copy.deepcopy(POD_BODY)
    graced["spec"]["terminationGracePeriodSeconds"] = 7
    assert read_pod(graced).grace_seconds == 7


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


def _requesting(*containers: tuple[str, str], init: tuple[tuple[str, str], ...] = (), **spec: Any) -> dict[str, Any]:
    """A pod whose containers request cores; an init container named `beside…` always restarts."""
    body = copy.deepcopy(POD_BODY)

    def entry(name: str, cpu: str) -> dict[str, Any]:
        always = {"restartPolicy": "Always"} if name.startswith("beside") else {}
        return {"name": name, "resources": {"requests": {"cpu": cpu}}} | always

    body["spec"]["containers"] = [entry(*each) for each in (("trainer", "1"), *containers)]
    body["spec"] |= {"initContainers": [entry(*each) for each in init]} | spec
    return body


@pytest.mark.parametrize(
    ("containers", "init", "cores"),
    [
        ((), (), "1"),
        ((("proxy", "500m"),), (), "1.5"),
        ((), (("first", "3"),), "3"),
        ((), (("first", "2"), ("second", "3")), "3"),
        ((("proxy", "1"),), (("first", "1500m"),), "2"),
        ((), (("beside", "500m"),), "1.5"),
        ((), (("beside", "500m"), ("first", "2")), "2.5"),
        ((), (("first", "2"), ("beside", "500m")), "2"),
        ((), (("beside-a", "500m"), ("beside-b", "500m"), ("first", "0")), "2"),
        ((), (("beside", "3"), ("first", "0")), "4"),
    ],
)
def test_a_pod_is_charged_what_the_scheduler_sets_aside(
    containers: tuple[tuple[str, str], ...], init: tuple[tuple[str, str], ...], cores: str
) -> None:
    """The most at any moment: init containers one after the other, native sidecars beside all that follows."""
    assert read_pod(_requesting(*containers, init=init)).resources.cpu == Decimal(cores)


def test_the_overhead_of_a_runtime_is_charged() -> None:
    """On top of whatever is the most."""
    overhead = {"cpu": "250m", "memory": "1Gi"}
    assert read_pod(_requesting(init=(("first", "3"),), overhead=overhead)).resources.cpu == Decimal("3.25")
    assert read_pod(_requesting(overhead=overhead)).resources.memory_gib == 1


ENDED, RUNS = {"terminated": {"exitCode": 0, "finishedAt": time_text(-30)}}, {"running": {}}


@pytest.mark.parametrize(
    ("states", "over"),
    [
        ({"trainer": ENDED, "added-by-the-cluster": ENDED}, True),
        ({"trainer": ENDED, "added-by-the-cluster": RUNS}, False),
        ({"trainer": RUNS, "added-by-the-cluster": ENDED}, False),
        ({"trainer": ENDED}, False),
        ({"trainer": ENDED, "added-by-the-cluster": {}}, False),
        ({}, False),
    ],
)
def test_a_pod_costs_until_each_of_its_containers_has_ended(states: dict[str, Any], over: bool) -> None:
    """One of which nothing is reported may still run; the trainer's end alone ends the attempt, not the bill."""
    seen = read_pod(_body(containerStatuses=[{"name": name, "state": state} for name, state in states.items()]))
    assert (seen.all_ended, seen.over) == (over, over)
    assert seen.ended is (over or states.get("trainer") is ENDED)


@pytest.mark.parametrize(("state", "over"), [(ENDED, True), (RUNS, False), (None, False)])
def test_a_native_sidecar_costs_like_a_container(state: dict[str, Any] | None, over: bool) -> None:
    """Other init containers have ended before the trainer began."""
    body = _requesting(init=(("beside", "1"), ("first", "1")))
    body["status"]["containerStatuses"] = [{"name": "trainer", "state": ENDED}]
    later = {"terminated": {"exitCode": 0, "finishedAt": time_text(-10)}}
    shown = [] if state is None else [{"name": "beside", "state": later if over else state}]
    body["status"]["initContainerStatuses"] = shown
    seen = read_pod(body)
    assert seen.over is over
    assert seen.finished_time == (at(-10) if over else at(-30))


def test_what_ended_is_seen_even_where_nothing_more_is_reported() -> None:
    """A phase that says so, or a pod that was deleted before it had a node."""
    assert read_pod(_body(phase="Failed", containerStatuses=[])).over
    assert read_pod(_body(phase="Succeeded", containerStatuses=[])).over
    never = _body(conditions=[], containerStatuses=[])
    del never["spec"]["nodeName"]
    assert not read_pod(never).over
    never["metadata"] |= {"deletionTimestamp": time_text(0), "deletionGracePeriodSeconds": 0}
    seen = read_pod(never)
    assert (seen.over, seen.force_deleted, seen.bound) == (True, False, False)


def test_why_the_kubelet_refused_a_pod_is_kept() -> None:
    """Its word, and its word with its message."""
    seen = read_pod(_body(phase="Failed", reason="UnexpectedAdmissionError", message="no GPU"))
    assert (seen.status_reason, seen.status_message) == (
        "UnexpectedAdmissionError",
        "UnexpectedAdmissionError: no GPU",
    )
    assert (read_pod(POD_BODY).status_reason, read_pod(POD_BODY).status_message) == ("", "")
