"""The promise that an operator may die between any two of its calls: same end, one pod at a time, same cents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from hack.cluster.controlplane import control_plane
from tests.servers import Database, postgres
from tests.trainyard_operator.bench import Api, install_crds, restricted_kubeconfig, training_job
from tests.trainyard_operator.trainingjob.lives import Fate, World, leftovers, live
from tests.waiting import until
from trainyard_operator.cluster.kube import CHECKPOINTS, NAMESPACES, TRAINING_JOBS

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def make_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, Fate], World]]:
    """Makes worlds: a namespace of its own with one job, without any operator but the world's."""
    directory = tmp_path_factory.mktemp("mortal-plane")
    with control_plane(directory) as plane, postgres() as server:
        api = Api(plane.kubeconfig, directory / "logs" / "audit.log")
        install_crds(api)
        kubeconfig = restricted_kubeconfig(api, directory / "operator.kubeconfig")
        database = server.database()
        dsn_file = directory / "dsn"
        dsn_file.write_text(database.owner)

        def make(name: str, fate: Fate) -> World:
            api.create(NAMESPACES, {"metadata": {"name": name}}, None)
            api.create(TRAINING_JOBS, training_job(name) | {"metadata": {"name": name, "namespace": name}}, name)
            return World(api, Database(database.owner, ""), kubeconfig, dsn_file, name, name, fate)

        yield make


def _checked(world: World) -> dict[str, Any]:
    """Lives a life and checks its end; returns the final status."""
    status = live(world)["status"]
    spent = world.database.rows(
        "SELECT sum(amount_usd), count(*) FROM trainyard.pod_spend WHERE namespace = %s", world.namespace
    )
    assert (Decimal(status["cost"]["settledUSD"]), status["attempts"]) == (world.recount(), 3)
    assert spent == [(world.recount(), 3)]
    assert len(world.pods) == 3
    until(lambda: not leftovers(world), lambda: f"stays: {leftovers(world)}")
    steps = [body["status"]["step"] for body in world.api.items(CHECKPOINTS, world.namespace)]
    assert sorted(steps) == [5, 10]
    return status


def _end(status: dict[str, Any]) -> dict[str, Any]:
    """What of a status two lives have in common: everything but times, uids and names made of them."""
    conditions = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    restarts = {key: status["restarts"].get(key) for key in ("attempt", "crashes", "interruptions", "inARow")}
    return {"conditions": conditions, "restarts": restarts, "stop": status["stop"]["cause"]}


def test_it_dies_at_each_call_of_a_life(make_world: Callable[[str, Fate], World]) -> None:
    """Before each call when it is first made, after it when it is made again: every call, both ways, in one life."""
    calm = make_world("calm", Fate())
    undisturbed = _end(_checked(calm))
    seen: Counter[str] = Counter()

    def strike(_number: int, call: str) -> str:
        seen[call] += 1
        return {1: "before", 2: "after"}.get(seen[call], "")

    hunted = make_world("hunted", Fate(strike))
    assert _end(_checked(hunted)) == undisturbed
    assert hunted.deaths >= len(set(calm.fate.calls))


@pytest.mark.nightly
def test_one_death_anywhere_changes_nothing(make_world: Callable[[str, Fate], World]) -> None:
    """One life for each call and each side of it; the operator dies there alone."""
    calm = make_world("quiet", Fate())
    undisturbed = _end(_checked(calm))
    for number in range(len(calm.fate.calls)):
        for side in ("before", "after"):
            world = make_world(
                f"life-{number}-{side}", Fate(lambda n, _call, at=number, how=side: how if n == at else "")
            )
            assert _end(_checked(world)) == undisturbed, (calm.fate.calls[number], side)
            assert world.deaths == 1
