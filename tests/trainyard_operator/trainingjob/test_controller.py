"""Claims about judging TrainingJobs from lists, and about what can't wait for a pass."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_operator.bench import PRICES
from tests.trainyard_operator.builders import (
    NOW,
    UID,
    decide,
    job_body,
    next_status,
    observed,
    reported,
    running_status,
    time_text,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.cluster.clock import Clock
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, PODS, TRAINING_JOBS, KubeError
from trainyard_operator.cluster.listing import ClusterListing
from trainyard_operator.cluster.warnings import Warnings
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.steps import Steps
from trainyard_operator.metrics import Metrics
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.controller import TrainingJobController
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults


def _controller(directory: Path, kube: Any = None) -> TrainingJobController:
    ledger, metrics = Ledger(directory / "dsn"), Metrics()
    return TrainingJobController(
        kube=kube,
        ledger=ledger,
        applier=Applier(kube, ledger, PodDefaults("image", "Never")),
        prices=Prices.model_validate(PRICES),
        trainer_image="image",
        read_nodes=True,
        metrics=metrics,
        steps=Steps(ledger, metrics),
        warnings=Warnings(kube),
        clock=Clock(wall=NOW.timestamp, elapsed=float),
        keep_finished=timedelta(days=1),
    )


def _needed(body: dict[str, Any], directory: Path) -> bool:
    nothing: Any = None
    listing = ClusterListing({TRAINING_JOBS: [body], JOBS: [], PODS: [], CHECKPOINTS: []}, nothing)

    async def go() -> bool:
        is_needed = await _controller(directory).judge(listing)
        return await is_needed(body)

    return asyncio.run(go())


def test_a_job_whose_status_says_all_needs_no_pass(tmp_path: Path) -> None:
    """Judged from lists alone; the ledger is away, and an ended job doesn't ask it."""
    ended = reported(ConditionType.SUCCEEDED, "False", "Failed")
    cost = {"spentUSD": "1.0000", "settledUSD": "1.000000"}
    settled = next_status(decide(observed(status=running_status(ended, cost=cost))))
    assert not _needed(job_body(status=settled), tmp_path)


def test_a_new_job_and_one_that_cant_be_read_need_a_pass(tmp_path: Path) -> None:
    """The pass says what is wrong."""
    assert _needed(job_body(), tmp_path)
    unreadable = job_body()
    unreadable["spec"]["trainer"]["cpu"] = "many"
    assert _needed(unreadable, tmp_path)


def test_jobs_are_listed_before_what_is_made_for_them() -> None:
    """Else the pods of a job that is made in between would seem to belong to none, and be let go."""
    order = TrainingJobController.lists
    assert all(order.index(TRAINING_JOBS) < order.index(kind) for kind in (JOBS, PODS, CHECKPOINTS))


ENDED = reported(ConditionType.SUCCEEDED, "False", "Cancelled")


class Latching:
    """Takes fields of a status, after it has refused the first few."""

    def __init__(self, refusals: int = 0, status: int = 500) -> None:
        self.refusals = refusals
        self.status = status
        self.taken: list[dict[str, Any]] = []
        self.asked = 0

    async def latch(self, path: str, uid: str, fields: dict[str, Any], manager: str) -> None:
        """Fields of the job's status."""
        assert (path.rpartition("/namespaces/")[2], manager) == (
            "team-a/trainingjobs/sums",
            "trainyard-operator-budget",
        )
        self.asked += 1
        if self.asked <= self.refusals:
            raise KubeError(self.status, "InternalError", "down")
        self.taken.append({uid: fields})


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between two tries, which take no time."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("trainyard_operator.trainingjob.controller.asyncio.sleep", sleep)
    return pauses


def _see(body: dict[str, Any], directory: Path, refusals: int = 0, status: int = 500, times: int = 1) -> Latching:
    server = Latching(refusals, status)

    async def go() -> None:
        controller = _controller(directory, server)
        for _ in range(times):
            controller.seen(body)
        assert server.asked == 0, "the watch waited"
        await asyncio.gather(*controller._latches.values())
        assert controller._latches == {}

    asyncio.run(go())
    return server


def test_a_cancellation_is_latched_from_the_very_event_that_tells_of_it(tmp_path: Path) -> None:
    """Before anything is read anew: what is applied a moment later may say otherwise."""
    server = _see(job_body(cancel=True), tmp_path)
    assert server.taken == [{UID: {"cancelTime": time_text(0)}}]
    running = _see(job_body(cancel=True, status=running_status()), tmp_path)
    assert len(running.taken) == 1


def test_a_latch_that_fails_is_tried_again_but_not_for_ever(tmp_path: Path, slept: list[float]) -> None:
    """With growing pauses, for five minutes; the pass, and the tick, try on while the manifest says so."""
    assert len(_see(job_body(cancel=True), tmp_path, refusals=2).taken) == 1
    assert slept == [0.0, 0.5, 1.0]
    slept.clear()
    away = _see(job_body(cancel=True), tmp_path, refusals=99)
    assert (away.asked, away.taken) == (11, [])
    assert slept == sorted(slept)
    assert 300 <= sum(slept) < 310


def test_many_events_of_one_cancellation_cost_one_request_and_no_wait(tmp_path: Path) -> None:
    """A pod may report a hundred times a second meanwhile, and other jobs' events come over the same watch."""
    server = _see(job_body(cancel=True), tmp_path, times=100)
    assert (server.asked, len(server.taken)) == (1, 1)


@pytest.mark.usefixtures("slept")
def test_a_latch_of_a_job_that_is_gone_isnt_tried_again(tmp_path: Path) -> None:
    """What only lost a race is: a status that came meanwhile is answered as an invalid request."""
    assert _see(job_body(cancel=True), tmp_path, refusals=99, status=404).asked == 1
    assert _see(job_body(cancel=True), tmp_path, refusals=99, status=422).asked == 11


def test_only_a_cancellation_that_is_news_is_latched(tmp_path: Path) -> None:
    """Not one on record, not of a job that has ended, and nothing but true."""
    for body in (
        job_body(),
        job_body(cancel=False),
        job_body(suspend=True),
        job_body(cancel=True, status=running_status(cancelTime=time_text(-5))),
        job_body(cancel=True, status=running_status(ENDED)),
    ):
        assert _see(body, tmp_path).asked == 0
    odd = job_body()
    odd["spec"]["cancel"] = "true"
    assert _see(odd, tmp_path).asked == 0
    del odd["spec"]
    assert _see(odd, tmp_path).asked == 0


@pytest.mark.parametrize(
    ("body", "urgent"),
    [
        (job_body(), False),
        (job_body(status=running_status()), False),
        (job_body(suspend=False, cancel=False), False),
        (job_body(suspend=True), True),
        (job_body(cancel=True, status=running_status()), True),
        (job_body(deleted=-1), True),
        (job_body(deleted=-1, status=running_status(ENDED)), True),
        (job_body(cancel=True, status=running_status(ENDED)), False),
        (job_body(suspend=True, status=running_status(ENDED)), False),
        (job_body(suspend=True, status=running_status(reported(ConditionType.SUSPENDED, "True", "Suspended"))), False),
        (job_body(suspend=True, status=running_status(reported(ConditionType.SUSPENDED, "False", "No"))), True),
        (job_body(cancel=True, status=running_status(reported(ConditionType.SUSPENDED, "True", "Suspended"))), True),
    ],
)
def test_a_stop_is_urgent_while_something_may_run(body: dict[str, Any], urgent: bool, tmp_path: Path) -> None:
    """Delete, cancel, suspend; what has ended stops nothing."""
    assert _controller(tmp_path).is_urgent(body) is urgent
