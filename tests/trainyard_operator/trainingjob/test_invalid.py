"""Claims about TrainingJobs that this version can't read."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainyard_operator.builders import NAME, UID, job_body, open_pod, reported, running_status
from trainyard_api.conditions import ConditionType
from trainyard_operator.trainingjob.invalid import read


def test_what_is_in_order_is_read_as_it_is() -> None:
    """Nothing is left out, and nothing said."""
    reading = read(job_body(status=running_status()))
    assert reading.unreadable == ""
    assert reading.job.status is not None
    assert reading.job.status.to_wire().items() >= {"attempts": 1}.items()
    assert reading.job.spec.trainer.cpu == "1"
    assert read(job_body()).job.status is not None


def test_the_first_fault_is_said_and_the_object_still_is_itself() -> None:
    """By field, rule and value; name, uid and finalizers are its own."""
    body = job_body(status=running_status(), deleted=-1)
    body["spec"]["trainer"]["cpu"] = "many"
    reading = read(body)
    assert reading.unreadable.startswith("spec.trainer.cpu: ")
    assert reading.unreadable.endswith('got "many"')
    metadata, deleted = reading.job.metadata, body["metadata"]["deletionTimestamp"]
    assert (metadata.name, metadata.uid, metadata.deletion_timestamp) == (NAME, UID, deleted)
    assert reading.job.status is not None
    assert reading.job.status.cost is not None


@pytest.mark.parametrize("word", ["suspend", "cancel"])
@pytest.mark.parametrize(("value", "heeded"), [(True, True), (False, False), ("true", False), (None, False)])
def test_what_stops_its_pods_is_heeded(word: str, value: object, heeded: bool) -> None:
    """Whatever else is in the manifest; nothing but true is true."""
    body = job_body()
    body["spec"] = {word: value, "budget": "all of it"}
    spec = read(body).job.spec
    assert (spec.suspend, spec.cancel) == (word == "suspend" and heeded, word == "cancel" and heeded)


@pytest.mark.parametrize(("given", "grace"), [(77, 77), ("long", 120), (-1, 120), (None, 120)])
def test_its_grace_is_heeded_where_it_is_in_order(given: object, grace: int) -> None:
    """Else the default stands in; a pod has been made with the one or the other."""
    body = job_body()
    body["spec"]["checkpoints"] = {"stopGraceSeconds": given}
    reading = read(body)
    assert reading.unreadable
    assert reading.job.spec.checkpoints.stop_grace_seconds == grace


def test_where_it_saves_is_known_where_that_is_in_order() -> None:
    """A broken grace takes no storage with it; a broken storage no grace."""
    body = job_body(checkpoints={"stopGraceSeconds": "long"})
    body["spec"]["checkpoints"]["storage"] = {"s3": {"bucket": "mine", "secretRef": {"name": "keys"}}}
    reading = read(body)
    assert reading.unreadable.startswith("spec.checkpoints.stopGraceSeconds: ")
    assert reading.job.spec.checkpoints.storage.s3.bucket == "mine"
    body["spec"]["checkpoints"] = {"stopGraceSeconds": 77, "storage": {"disk": {}}}
    checkpoints = read(body).job.spec.checkpoints
    assert (checkpoints.stop_grace_seconds, checkpoints.storage.s3.bucket) == (77, "unreadable")


@pytest.mark.parametrize("spec", [None, [], "x", 7, {}, {"checkpoints": []}])
def test_no_manifest_breaks_the_reader(spec: object) -> None:
    """Neutral values stand in; what they would run is never begun."""
    body = job_body(status=running_status())
    body["spec"] = spec
    reading = read(body)
    assert reading.unreadable
    assert reading.job.spec.trainer.memory
    assert (reading.job.spec.suspend, reading.job.spec.cancel) == (False, False)
    del body["spec"]
    assert read(body).unreadable


def test_of_a_status_only_what_breaks_the_schema_is_left_out() -> None:
    """A word of a newer operator takes no cost, no attempt and no other condition with it."""
    known = reported(ConditionType.SUCCEEDED, "Unknown", "Running")
    status = running_status({**known, "type": "Novel", "reason": "not-a-word"}, known)
    status["budget"] = {"limitUSD": "5.00", "source": "Namespace"}
    status["cost"]["openPods"] = [open_pod(), {"uid": "x"}]
    status["attempt"]["firstStartTime"] = 7
    body = job_body(status=status)
    before = copy.deepcopy(body)
    reading = read(body)
    found = reading.job.status
    assert found is not None
    assert reading.unreadable == ""
    assert [condition.type for condition in found.conditions or []] == ["Succeeded"]
    assert found.cost is not None
    assert [pod.uid for pod in found.cost.open_pods or []] == [open_pod()["uid"]]
    assert found.attempt is not None
    assert (found.attempt.number, found.attempt.first_start_time) == (1, None)
    assert found.pod_ref is not None
    assert found.budget is None
    assert body == before


def test_a_list_longer_than_this_version_would_make_it_is_read_in_full() -> None:
    """Dropped as a whole, its pods would be billed a second time."""
    settled = [open_pod(end=-1) | {"uid": f"u{number}"} for number in range(300)]
    conditions = [reported(ConditionType.SUCCEEDED, "True", "Done") | {"type": f"T{'t' * n}"} for n in range(40)]
    status = running_status(*conditions)
    status["cost"]["settledPods"] = settled
    found = read(job_body(status=status)).job.status
    assert found is not None
    assert found.cost is not None
    assert (len(found.cost.settled_pods or []), len(found.conditions or [])) == (300, 40)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = [*running_status(), "stop", "cancelTime", "restarts", "progress", "completionTime", "novel"]


@given(status=st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=6), spec=_JSON)
def test_nothing_in_spec_or_status_breaks_the_reader(status: dict[str, Any], spec: object) -> None:
    """Any JSON: a job that can't be read is still stopped, billed and let go."""
    body = job_body() | {"status": running_status() | status, "spec": spec}
    assert read(body).job.metadata.uid == UID
