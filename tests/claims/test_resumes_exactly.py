"""A run that is killed goes on as if nothing had happened: the same weights, optimizer and rows, byte for byte.

Real pods in processes of their own, killed by SIGKILL at seeded places, with a real Postgres; checkpoints in a folder.
Each pod that follows is the operator's next attempt. What may differ is what `VOLATILE` names: times, durations, and
which attempt wrote a row.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest

from tests import servers
from tests.claims.mortal_pods import Death, Pods
from tests.claims.mortal_runs import STEPS, Result, World, assert_equal
from trainyard_api.termination import ExitCode

pytestmark = pytest.mark.learning

UPDATES = {"one update": {}, "two by two": {"minibatches": 2, "epochs": 2, "kl": {"coefficient": "0.1"}}}
"""One update in each step; or two minibatches in two passes, with a penalty on leaving the run's first policy."""


@dataclass(frozen=True)
class Place:
    """Where a pod dies: at one of an edge's calls in these sixths of an undisturbed run's, drawn."""

    edge: str
    after: bool = False
    sixths: tuple[int, int] = (0, 6)
    signal: int = SIGKILL

    def draw(self, random_number: random.Random, undisturbed: dict[str, int]) -> Death:
        """Which call it is."""
        calls = undisturbed.get(self.edge, 6)
        first, last = (calls * sixth // 6 for sixth in self.sixths)
        return Death(self.edge, random_number.randint(first + 1, max(first + 1, last)), self.after, self.signal)


KILLED: dict[str, list[Place]] = {
    "in a rollout": [Place("decode")],
    "in the rewards": [Place("reward")],
    "before an update": [Place("update")],
    "after an update": [Place("update", after=True)],
    "before a step is recorded": [Place("record")],
    "after a step is recorded": [Place("record", after=True)],
    "in validation": [Place("validate")],
    "while the state is copied": [Place("snapshot")],
    "while the state is serialised": [Place("serialise")],
    "between two files": [Place("put", after=True)],
    "before COMMIT": [Place("commit")],
    "between COMMIT and claim": [Place("claim")],
    "twice, in a rollout and in an upload": [Place("decode", sixths=(0, 4)), Place("put", sixths=(0, 2))],
    "twice, the second time while the state is loaded": [
        Place("update", after=True, sixths=(4, 6)),
        Place("restore", after=True, sixths=(0, 1)),
    ],
    "twice, in the step whose updates a stop had cut off": [
        Place("update", sixths=(3, 3), signal=SIGTERM),
        Place("update", after=True, sixths=(0, 0)),
    ],
}
"""Where pods of one run end, one after the other; at which call is drawn by the name of the case."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One database, one folder, and one process that forks pods."""
    folder = tmp_path_factory.mktemp("mortal")
    pods = Pods(folder)
    try:
        with servers.postgres() as postgres:
            yield World(pods, postgres.database(), folder)
    finally:
        pods.close()


@pytest.fixture(scope="module", params=UPDATES.values(), ids=UPDATES.keys())
def updates(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Minibatches, epochs and penalty."""
    return request.param


@pytest.fixture(scope="module")
def undisturbed(world: World, updates: dict[str, Any]) -> Result:
    """The run that nobody kills."""
    result = world.finish(world.config(**updates))
    query = "SELECT (measurements ->> 'grad_norm')::float FROM trainyard.training_metrics WHERE kind = 'step'"
    assert all(norm > 0 for (norm,) in world.database.rows(query)), "a run that learns nothing would prove nothing"
    return result


@pytest.mark.parametrize("place", KILLED)
def test_a_killed_run_goes_on_exactly(world: World, updates: dict[str, Any], undisturbed: Result, place: str) -> None:
    """At any place, once or twice, its next pods come to the same end; nothing is there twice, nothing is missing."""
    config = world.config(**updates)
    random_number = random.Random(f"{place} {sorted(updates)}")
    for death in [one.draw(random_number, undisturbed.calls) for one in KILLED[place]]:
        code, _, _ = world.attempt(config, death)
        assert code == (-SIGKILL if death.signal == SIGKILL else ExitCode.STOPPED), f"{death} was not reached"
    assert_equal(world.finish(config), undisturbed)


def test_a_run_that_died_after_its_last_commit_has_nothing_left_to_do(
    world: World, updates: dict[str, Any], undisturbed: Result
) -> None:
    """The next pod trains nothing and writes no checkpoint: it claims what the dead one committed, and names it."""
    config = world.config(**updates)
    code, _, _ = world.attempt(config, Death("claim", undisturbed.calls["claim"]))
    assert code == -9
    result = world.finish(config)
    assert_equal(result, undisturbed)
    assert not result.calls.get("update")
    assert not result.calls.get("put")
    assert world.claims(config["run"]["uid"])[-1] == (STEPS, None, 1)


def test_a_run_that_is_told_to_stop_in_a_rollout_goes_on_exactly(
    world: World, updates: dict[str, Any], undisturbed: Result
) -> None:
    """The pod ends by itself with the state at the start of the step; the step's rollouts are made anew."""
    config = world.config(**updates)
    death = Death("decode", undisturbed.calls["decode"] // 2, signal=SIGTERM)
    code, termination, _ = world.attempt(config, death)
    assert (code, termination.reason) == (ExitCode.STOPPED, "Stopped")
    assert "-u" not in termination.committed_uri.rsplit("/", 2)[1]
    assert_equal(world.finish(config), undisturbed)


def test_a_run_that_is_told_to_stop_before_an_update_generates_nothing_twice(
    world: World, undisturbed: Result, updates: dict[str, Any]
) -> None:
    """The scored batch is in the checkpoint, with the number of updates done, before the first of them too."""
    config = world.config(**updates)
    death = Death("update", undisturbed.calls["update"] // 2 + 1, signal=SIGTERM)
    code, termination, home = world.attempt(config, death)
    assert (code, termination.reason) == (ExitCode.STOPPED, "Stopped")
    folder = termination.committed_uri.rsplit("/", 2)[1]
    assert "-u" in folder
    result = world.finish(config)
    assert_equal(result, undisturbed)
    first = json.loads((home / "calls.json").read_text())
    assert first["reward"] + result.calls["reward"] == undisturbed.calls["reward"]
