"""Any life of a job comes to rest: one pod at a time, every second billed once, and nothing held for ever.

A life is a sequence of what may happen to a job and its cluster, with passes in between of which any may be cut off
after any of its writes. The cluster is `tests/trainyard_operator/world.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainyard_operator.builders import claim
from tests.trainyard_operator.world import World
from trainyard_operator.cluster.clock import format_time

DONE = f'{{"reason": "Completed", "committedUri": "{claim(10).uri}"}}'
SAVED = {"uri": claim(7).uri, "digest": claim(7).digest, "step": 7}
NAMED = json.dumps({"reason": "Stopped", "committed": SAVED})
CARRYING = json.dumps({"reason": "Stopped", "droppedSeconds": "9" * 30, "committed": SAVED | {"unwrittenRows": 3}})


def _spec(world: World, **words: Any) -> None:
    world.body["spec"] |= words
    world.body["metadata"]["generation"] += 1


def _succeed(world: World) -> None:
    world.commit(10)
    world.end(0, DONE)


def _disrupt(world: World) -> None:
    world.end(137, disruption="preempted")


def _delete(world: World) -> None:
    world.body["metadata"].setdefault("deletionTimestamp", format_time(world.now))


def _ledger(up: bool) -> Callable[[World], None]:
    def switch(world: World) -> None:
        world.ledger_up = up

    return switch


EVENTS: dict[str, Callable[[World], Any]] = {
    "the Job controller makes a pod": World.make_pod,
    "a pod gets a node": World.bind,
    "a container starts": World.run,
    "pods that were told to stop end": World.let_end,
    "the work is done": _succeed,
    "the work is said to be done": lambda world: world.end(0, DONE),
    "the trainer crashes": lambda world: world.end(1, "boom"),
    "it runs out of memory": lambda world: world.end(137, out_of_memory=True),
    "its sidecar goes on": lambda world: world.end(1, sidecar=True),
    "it refuses": lambda world: world.end(20, '{"reason": "UnknownTask"}'),
    "it names a checkpoint that has no row": lambda world: world.end(10, NAMED),
    "its checkpoint carries rows": lambda world: world.end(10, CARRYING),
    "it refuses, and its checkpoint carries rows": lambda world: world.end(20, CARRYING),
    "the rows are being written": lambda world: world.write_rows(ends=False),
    "the rows are written": lambda world: world.write_rows(ends=True),
    "it is preempted": _disrupt,
    "somebody deletes the pod": lambda world: [world.delete_pod(each.uid) for each in world.living],
    "a checkpoint": lambda world: world.commit(5),
    "suspend": lambda world: _spec(world, suspend=True),
    "resume": lambda world: _spec(world, suspend=False),
    "cancel": lambda world: _spec(world, cancel=True),
    "no cancel": lambda world: _spec(world, cancel=False),
    "raise maxRestarts": lambda world: _spec(world, retry={"maxRestarts": 50}),
    "break the manifest": lambda world: _spec(world, task=None),
    "mend the manifest": lambda world: _spec(world, task={"name": "calculator", "rewards": [{"name": "exact"}]}),
    "delete": _delete,
    "the ledger goes away": _ledger(False),
    "the ledger is back": _ledger(True),
    "the ledger takes no rows": lambda world: setattr(world, "ledger_writable", False),
    "the ledger takes rows": lambda world: setattr(world, "ledger_writable", True),
    "a few seconds": lambda world: world.let_pass(7),
    "some minutes": lambda world: world.let_pass(400),
}
LIFE = st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.none() | st.integers(0, 6)), max_size=30)
USUAL = ["a few seconds", "the Job controller makes a pod", "a pod gets a node", "a container starts"]


def _live(world: World, event: str, cut_after: int | None) -> None:
    EVENTS[event](world)
    before = world.body.get("status", {})
    world.make_pass(cut_after=cut_after, refresh=True)
    if world.gone:
        return
    assert len(world.living) <= 1, "two pods side by side"
    assert world.starts == sorted(set(world.starts)), "a number was used twice"
    _nothing_falls(before, world.status)
    assert len(world.bills) >= len(world.rows)
    if "deletionTimestamp" not in world.body["metadata"] and _succeeded(world.status) == "Unknown":
        assert not any(each.role and each.deletion_time for each in world.pods), "rows were cut off"


def _nothing_falls(before: dict[str, Any], after: dict[str, Any]) -> None:
    """What the API server's rules would refuse, and what people rely on."""
    for sum_of in ("spentUSD", "settledUSD"):
        assert Decimal(after.get("cost", {}).get(sum_of, "0")) >= Decimal(before.get("cost", {}).get(sum_of, "0"))
    assert "cancelTime" not in before or after["cancelTime"] == before["cancelTime"]
    former, latter = _succeeded(before), _succeeded(after)
    assert former in {"Unknown", latter}, "an end was taken back"


def _succeeded(status: dict[str, Any]) -> str:
    return next((c["status"] for c in status.get("conditions", ()) if c["type"] == "Succeeded"), "Unknown")


def _let_rest(world: World) -> None:
    """Whatever was away is back, and what was told to stop has its time."""
    world.ledger_up = world.ledger_writable = True
    for _ in range(4):
        world.settle()
        world.write_rows(ends=False)
        world.settle()
        world.let_pass(30)
        world.let_end()
        world.write_rows(ends=True)
    world.settle()


@settings(max_examples=60)
@given(LIFE)
def test_every_second_of_every_pod_is_billed_once_and_nothing_is_left(life: list[tuple[str, int | None]]) -> None:
    """Cancelled at its end, whatever came before: sums of status and ledger equal a recount of the kubelet's times."""
    world = World()
    for event in [*((each, None) for each in USUAL), *life]:
        if not world.gone:
            _live(world, *event)
    _spec(world, cancel=True)
    _let_rest(world)
    assert Decimal(world.status["cost"]["settledUSD"]) == world.recount()
    assert not any(each.held for each in world.pods)
    if not world.gone:
        assert _succeeded(world.status) != "Unknown"
        assert not world.plan().actions
        _delete(world)
        _let_rest(world)
    assert world.gone
    assert world.living == []
    assert sum(world.rows.values(), Decimal(0)) == world.recount()
    assert set(world.rows) == set(world.bills)


@settings(max_examples=60)
@given(LIFE)
def test_a_job_at_rest_plans_nothing(life: list[tuple[str, int | None]]) -> None:
    """Suspended at its end: held, its pods ended and booked, and not one write more, however long it lasts."""
    world = World()
    for event in [*((each, None) for each in USUAL), *life]:
        _live(world, *event)
        if world.gone:
            return
    _spec(world, suspend=True)
    _let_rest(world)
    if "deletionTimestamp" in world.body["metadata"]:
        assert world.gone
        return
    reason = next(c["reason"] for c in world.status["conditions"] if c["type"] == "Succeeded")
    assert reason in {"Suspended", "Completed", "Failed", "Cancelled"}
    for _ in range(3):
        world.let_pass(3600)
        assert not world.make_pass(refresh=True)
    assert world.living == []


@settings(max_examples=40)
@given(st.lists(st.integers(0, 6) | st.none(), max_size=12))
def test_the_same_life_ends_the_same_wherever_it_was_cut_off(cuts: list[int | None]) -> None:
    """A pass may die after any of its writes: attempts, checkpoints and cents are those of an undisturbed life."""
    ends = []
    for plan in ([], cuts):
        world, left = World(), iter(plan)
        for event in (*USUAL, "a checkpoint", "suspend", "pods that were told to stop end", "resume", *USUAL):
            EVENTS[event](world)
            world.make_pass(cut_after=next(left, None))
            world.settle()
        _succeed(world)
        world.make_pass(cut_after=next(left, None))
        world.settle()
        reasons = [(c["type"], c["reason"]) for c in world.status["conditions"]]
        ends.append((world.rows, world.recount(), world.starts, len(world.objects), world.ended[0], reasons))
    assert ends[0] == ends[1]
    assert ends[0][2:5] == ([1, 2], 2, "Completed")
