"""Claims about writing a status in halves."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from typing import Any

import pytest

from tests.trainyard_operator.bench import Bench
from tests.trainyard_operator.builders import job_body, observed, reported, running_status, time_text
from tests.trainyard_operator.memory_api import MemoryApi
from trainyard_api.conditions import ConditionType
from trainyard_api.training_job import parse_training_job
from trainyard_operator.cluster.kube import TRAINING_JOBS, KubeError
from trainyard_operator.trainingjob.apply import status
from trainyard_operator.trainingjob.decision.actions import Plan
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.decision.status import halves


def _seen(body: dict[str, Any]) -> Observed:
    return Observed(parse_training_job(body), body.get("status", {}))


OPERATORS, BUDGETS = (f"apply trainingjobs/sums/status by trainyard-operator{end}" for end in ("", "-budget"))
BEFORE = running_status(reported(ConditionType.SUCCEEDED, "Unknown", "Running"), progress={"step": 1})


def _held(**changes: Any) -> tuple[MemoryApi, Observed]:
    """A job that has changed since it was observed."""
    api = MemoryApi()
    seen = observed(status=BEFORE)
    body = api.hold(TRAINING_JOBS, job_body(status=BEFORE))
    seen = replace(seen, job=parse_training_job(copy.deepcopy(body)))
    if changes:
        metadata, state = changes.pop("metadata", {}), changes
        body["metadata"] = body["metadata"] | metadata
        api.hold(TRAINING_JOBS, body | {"status": BEFORE | state})
    return api, seen


def _write(api: MemoryApi, seen: Observed, plan: Plan) -> str | None:
    kube: Any = api
    return asyncio.run(status.write(kube, seen, plan, seen.metadata.resource_version))


def _plan(*, money: bool = False, rest: bool = False) -> Plan:
    operator_half, budget_half = halves(BEFORE)
    cost = {"cost": {"spentUSD": "1.0000", "settledUSD": "1"}} if money else {}
    return Plan((), operator_half | ({"attempts": 2} if rest else {}), budget_half | cost)


def test_each_half_is_written_where_it_has_changed_the_money_first() -> None:
    """Money to the version that was observed; all else to the same, or to the one that the money has made."""
    assert _write(*_held(), _plan()) is None
    for money, rest in ((True, False), (False, True), (True, True)):
        api, seen = _held()
        first = seen.metadata.resource_version
        made = _write(api, seen, _plan(money=money, rest=rest))
        assert api.writes == [*([BUDGETS] if money else []), *([OPERATORS] if rest else [])]
        assert made == api["/trainingjobs/sums"]["metadata"]["resourceVersion"] != first
        if money:
            assert api.sent[BUDGETS]["metadata"]["resourceVersion"] == first
            assert api.sent[BUDGETS]["status"]["cost"]["spentUSD"] == "1.0000"
        if rest:
            version = api.sent[OPERATORS]["metadata"]["resourceVersion"]
            assert version == (first if not money else str(int(first) + 1))
            assert api.sent[OPERATORS]["status"]["attempts"] == 2
            assert "cost" not in api.sent[OPERATORS]["status"]


@pytest.mark.parametrize("change", [{"progress": {"step": 2}}, {"cost": {"spentUSD": "2"}}, {"stop": {"attempt": 1}}])
def test_what_nothing_was_decided_upon_starves_no_status(change: dict[str, Any]) -> None:
    """A pod that reports, money, the record of a stop: the half is written to the version that they have made."""
    api, seen = _held(**change)
    assert _write(api, seen, _plan(rest=True)) == api["/trainingjobs/sums"]["metadata"]["resourceVersion"]
    assert [each for each in api.asked if "status by" in each] == api.asked[::2]
    assert api["/trainingjobs/sums"]["status"]["attempts"] == 2
    assert api["/trainingjobs/sums"]["status"].items() >= change.items()


@pytest.mark.parametrize(
    "change",
    [
        {"attempts": 7},
        {"cancelTime": time_text(0)},
        {"metadata": {"generation": 2}},
        {"metadata": {"uid": "another"}},
        {"metadata": {"deletionTimestamp": time_text(0)}},
        {"conditions": []},
    ],
)
def test_what_was_decided_upon_is_looked_at_again(change: dict[str, Any]) -> None:
    """A new manifest, a deletion, a cancellation, another pass: nothing is written over it."""
    api, seen = _held(**change)
    with pytest.raises(KubeError) as caught:
        _write(api, seen, _plan(rest=True))
    assert caught.value.conflict
    assert api["/trainingjobs/sums"]["status"].get("attempts") != 2


@pytest.mark.parametrize("change", [{"attempts": 7}, {"cancelTime": time_text(0)}, {"metadata": {"generation": 2}}])
def test_the_money_is_written_whatever_has_changed_and_the_rest_is_not(change: dict[str, Any]) -> None:
    """What has been spent stays spent; what was decided beside it is decided anew."""
    api, seen = _held(**change)
    with pytest.raises(KubeError, match="the job has changed since it was observed") as caught:
        _write(api, seen, _plan(money=True, rest=True))
    assert caught.value.conflict
    assert api.writes == [BUDGETS] * 2
    status_now = api["/trainingjobs/sums"]["status"]
    assert (status_now["cost"]["spentUSD"], status_now.get("attempts")) == ("1.0000", change.get("attempts", 1))


def test_the_bill_of_a_job_is_never_written_to_a_later_one_of_its_name() -> None:
    """The status subresource takes no notice of the uid, so the version has to tell."""
    api, seen = _held(metadata={"uid": "another"})
    with pytest.raises(KubeError) as caught:
        _write(api, seen, _plan(money=True))
    assert caught.value.conflict
    assert api["/trainingjobs/sums"]["status"] == BEFORE


def test_a_job_that_is_gone_or_may_not_be_written_is_an_error() -> None:
    """Of the server's own sort."""
    api, seen = _held(progress={"step": 2})
    lost = MemoryApi(refusals={"apply": KubeError(409, "Conflict", "changed")})
    with pytest.raises(KubeError, match="changed"):
        _write(lost, seen, _plan(rest=True))
    api.refusals["apply"] = KubeError(422, "Invalid", "no such field")
    with pytest.raises(KubeError, match="no such field"):
        _write(api, seen, _plan(rest=True))
    assert api.writes == [OPERATORS]


def test_a_pod_that_reports_without_end_ends_a_pass_at_last() -> None:
    """Twenty tries; the next pass tries on."""
    api, seen = _held(progress={"step": 2})
    api.refusals["apply"] = KubeError(409, "Conflict", "changed")
    with pytest.raises(KubeError, match="changed 20 times while it was written") as caught:
        _write(api, seen, _plan(rest=True))
    assert (caught.value.conflict, len(api.writes)) == (True, 20)


def test_a_record_is_as_good_as_one_of_another_time() -> None:
    """A cancellation that was on record then, and is still."""
    before = BEFORE | {"cancelTime": time_text(-60)}
    api = MemoryApi()
    body = api.hold(TRAINING_JOBS, job_body(status=before))
    seen = replace(observed(status=before), job=parse_training_job(copy.deepcopy(body)))
    api.hold(TRAINING_JOBS, body | {"status": before | {"progress": {"step": 9}}})
    assert _write(api, seen, _plan(rest=True)) is not None


@pytest.mark.integration
def test_only_a_half_that_has_changed_is_written(bench: Bench) -> None:
    """Each by its own field manager; what nothing changes costs no version."""
    bench.submit("halved", model={"checkpoint": {"trainingJob": "never-there"}})
    bench.api.wait_condition("halved", "ModelAvailable", reason="WaitingForCheckpoint")
    bench.operator.kill()
    seen = _seen(bench.api.job("halved"))
    operator_half, budget_half = halves(seen.raw_status)
    version = seen.metadata.resource_version
    same = Plan((), operator_half, budget_half)
    assert asyncio.run(status.write(bench.api._kube, seen, same, version)) is None
    dearer = Plan((), operator_half, budget_half | {"budget": {"limitUSD": "9.00", "source": "Spec"}})
    made = asyncio.run(status.write(bench.api._kube, seen, dearer, version))
    after = bench.api.job("halved")
    assert after["metadata"]["resourceVersion"] == made
    assert after["status"]["budget"]["limitUSD"] == "9.00"
    assert halves(after["status"])[0] == operator_half
