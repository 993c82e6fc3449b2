"""Claims about the queue of passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from trainyard_operator.cluster.kube import CHECKPOINTS, TRAINING_JOBS, KubeError
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.metrics import Metrics
from trainyard_operator.queue import Key, Queue

ONE, OTHER = Key(TRAINING_JOBS, "n", "one"), Key(TRAINING_JOBS, "n", "other")


class Controller:
    """Counts passes; `during` runs in each."""

    def __init__(self, during: Callable[[str], None]) -> None:
        self.during = during
        self.passes: list[str] = []

    async def reconcile(self, namespace: str, name: str) -> None:
        """Notes the pass, lets others run, then does what the test wants."""
        self.passes.append(f"{namespace}/{name}")
        await asyncio.sleep(0)
        self.during(name)


def _nothing(_: str) -> None:
    """A pass that is done."""


def _run(controller: Any, *keys: Key, other: Any = None) -> Metrics:
    metrics = Metrics()

    async def go() -> None:
        queue = Queue({TRAINING_JOBS: controller, CHECKPOINTS: other}, metrics)
        for key in keys:
            queue.ask(key)
        await queue.settle()

    asyncio.run(go())
    return metrics


def _count(metrics: Metrics, result: str) -> float | None:
    return metrics.registry.get_sample_value("trainyard_reconcile_passes_total", {"result": result})


def test_requests_that_come_during_a_pass_are_answered_by_one_more() -> None:
    """However many; those that come before it begins are answered by it."""
    queues: list[Queue] = []

    def ask_again(_: str) -> None:
        if len(controller.passes) == 1:
            for _ in range(3):
                queues[0].ask(ONE)

    controller: Any = Controller(ask_again)

    async def go() -> None:
        queues.append(Queue({TRAINING_JOBS: controller}, Metrics()))
        for _ in range(3):
            queues[0].ask(ONE)
        assert queues[0].is_running(ONE)
        assert not queues[0].is_running(OTHER)
        await queues[0].settle()

    asyncio.run(go())
    assert controller.passes == ["n/one", "n/one"]


def test_objects_of_two_kinds_may_share_a_name() -> None:
    """Each gets a pass of its own kind."""
    jobs, checkpoints = Controller(_nothing), Controller(_nothing)
    _run(jobs, ONE, Key(CHECKPOINTS, "n", "one"), other=checkpoints)
    assert jobs.passes == checkpoints.passes == ["n/one"]


def test_a_conflict_is_looked_at_again_but_not_for_ever() -> None:
    """Five times; the tick asks again later."""

    def conflict(_: str) -> None:
        raise KubeError(409, "Conflict", "changed")

    controller = Controller(conflict)
    assert _count(_run(controller, ONE), "conflict") == len(controller.passes) == 5


@pytest.mark.parametrize("error", [KubeError(500, "InternalError", "down"), LedgerUnavailable("away"), ValueError("x")])
def test_a_pass_that_fails_stops_no_other(error: Exception) -> None:
    """It is counted, and made no second time by itself."""

    def fail(name: str) -> None:
        if name == "one":
            raise error

    controller = Controller(fail)
    metrics = _run(controller, ONE, OTHER)
    assert sorted(controller.passes) == ["n/one", "n/other"]
    assert (_count(metrics, "error"), _count(metrics, "ok")) == (1, 1)
