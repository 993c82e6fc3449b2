"""Claims about the queue of passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from trainyard_operator import queue as module
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


class Blocked:
    """Passes over any object but those named `quick…` take until they are let go."""

    def __init__(self) -> None:
        self.passes: list[str] = []
        self.gate = asyncio.Event()

    async def reconcile(self, _: str, name: str) -> None:
        """Notes that it has begun, and waits."""
        self.passes.append(name)
        if not name.startswith("quick"):
            await self.gate.wait()


async def _breathe() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def _jobs(*names: str) -> list[Key]:
    return [Key(TRAINING_JOBS, "n", name) for name in names]


async def _crowded(blocked: Any) -> Queue:
    """A queue whose ordinary slots are all taken."""
    queue = Queue({TRAINING_JOBS: blocked}, Metrics())
    for key in _jobs(*(f"slow-{number}" for number in range(module._CONCURRENT))):
        queue.ask(key)
    await _breathe()
    assert len(blocked.passes) == module._CONCURRENT
    return queue


async def _let_go(queue: Queue, blocked: Any) -> None:
    blocked.gate.set()
    await queue.settle()


def test_a_stop_waits_behind_no_other_pass() -> None:
    """However many passes over other objects hang; an ordinary one has its turn after them."""

    async def go() -> None:
        blocked = Blocked()
        queue = await _crowded(blocked)
        plain, urgent = _jobs("quick-plain", "quick-urgent")
        queue.ask(plain)
        queue.ask(urgent, urgent=True)
        await _breathe()
        assert blocked.passes[module._CONCURRENT :] == ["quick-urgent"]
        assert queue.is_running(plain)
        assert not queue.is_running(urgent)
        await _let_go(queue, blocked)
        assert blocked.passes[-1] == "quick-plain"

    asyncio.run(go())


def test_a_pass_that_becomes_urgent_waits_no_longer() -> None:
    """It was asked for before the job was to stop; it is made once."""

    async def go() -> None:
        blocked = Blocked()
        queue = await _crowded(blocked)
        (key,) = _jobs("quick")
        queue.ask(key)
        await _breathe()
        queue.ask(key, urgent=True)
        await _breathe()
        assert blocked.passes[module._CONCURRENT :] == ["quick"]
        assert not queue.is_running(key)
        await _let_go(queue, blocked)
        assert blocked.passes.count("quick") == 1
        assert queue._slots._value == queue._lane._value == module._CONCURRENT

    asyncio.run(go())


def test_urgent_passes_have_a_lane_of_bounded_width() -> None:
    """A thousand stops don't open a thousand requests; a pass that is over is urgent no more."""

    async def go() -> None:
        blocked = Blocked()
        queue = Queue({TRAINING_JOBS: blocked}, Metrics())
        for key in _jobs(*(f"slow-{number}" for number in range(3 * module._CONCURRENT))):
            queue.ask(key, urgent=True)
        await _breathe()
        assert len(blocked.passes) == module._CONCURRENT
        await _let_go(queue, blocked)
        assert len(blocked.passes) == 3 * module._CONCURRENT
        assert queue._urgent == set()

    asyncio.run(go())


def test_an_object_that_changes_without_end_gets_a_pass_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod may report a hundred times a second: passes over one job keep a least interval, and hold no slot in it."""
    assert module._LEAST_SECONDS == 0.2
    monkeypatch.setattr(module, "_LEAST_SECONDS", 3600.0)

    async def go() -> None:
        controller: Any = Controller(lambda _: queue.ask(ONE))
        queue = Queue({TRAINING_JOBS: controller}, Metrics())
        queue.ask(ONE)
        await _breathe()
        assert controller.passes == ["n/one"]
        assert queue.is_running(ONE)
        assert queue._slots._value == module._CONCURRENT
        (task,) = queue._running.values()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not queue.is_running(ONE)

    asyncio.run(go())
