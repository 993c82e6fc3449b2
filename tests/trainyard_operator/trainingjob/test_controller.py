"""Claims about judging TrainingJobs from lists."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.trainyard_operator.bench import PRICES
from tests.trainyard_operator.builders import NOW, decide, job_body, next_status, observed, reported, running_status
from trainyard_api.conditions import ConditionType
from trainyard_operator.cluster.clock import Clock
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, PODS, TRAINING_JOBS
from trainyard_operator.cluster.listing import ClusterListing
from trainyard_operator.cluster.warnings import Warnings
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.steps import Steps
from trainyard_operator.metrics import Metrics
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.apply.start import Images
from trainyard_operator.trainingjob.controller import TrainingJobController


def _needed(body: dict[str, Any], directory: Path) -> bool:
    nothing: Any = None
    ledger, metrics = Ledger(directory / "dsn"), Metrics()
    controller = TrainingJobController(
        kube=nothing,
        ledger=ledger,
        applier=Applier(nothing, ledger, Images("image", "Never")),
        prices=Prices.model_validate(PRICES),
        trainer_image="image",
        read_nodes=True,
        metrics=metrics,
        steps=Steps(ledger, metrics),
        warnings=Warnings(nothing),
        clock=Clock(wall=NOW.timestamp, elapsed=float),
        keep_finished=timedelta(days=1),
    )
    listing = ClusterListing({TRAINING_JOBS: [body], JOBS: [], PODS: [], CHECKPOINTS: []}, nothing)

    async def go() -> bool:
        is_needed = await controller.judge(listing)
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
