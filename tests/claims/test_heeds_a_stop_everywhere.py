"""A pod that is told to stop ends by itself, with exit 10, whatever it is at; and its run goes on as if it had not.

Real pods, with a real Postgres and a real S3 server behind a front door that can stall, and a user's module that hangs
for an hour, in every part of a pod's life. They are killed when their grace is over, as by a kubelet. No clock is
compared: where only the end of the grace is left to end what hangs, the pod names no newer state than it had.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

from tests import servers
from tests.claims.mortal_pods import Death, Pods
from tests.claims.mortal_runs import Result, World, assert_equal
from tests.claims.stalling import FrontDoor
from tests.trainyard_trainer.hub_server import REPOSITORY, REVISION, Hub, serving
from trainyard_api.termination import ExitCode, Termination

pytestmark = pytest.mark.learning

GRACE = 10
"""Seconds of a pod that saves its state past something that hangs; it waits for that for a tenth of it."""
LONG_GRACE = 3600
"""Longer than any test: pods that end have not waited for its end."""
MODULE = '''
import asyncio, inspect, pathlib, time

from trainyard_trainer.rewards.positions import positions
from trainyard_trainer.tasks.calculator import CalculatorEnvironment, CalculatorTask

HERE = pathlib.Path(__file__).parent
KIND, NTH, WHERE = ((HERE / "trouble").read_text().split() + ["", "0", ""])[:3]
left = int(NTH)


def meets(kind):
    """Whether this is the call that hangs: the n-th of this kind, below the function that is named, if one is."""
    global left
    if kind != KIND or (WHERE and WHERE not in {frame.function for frame in inspect.stack()}):
        return False
    left -= 1
    if left == 0:
        (HERE / "stop").touch()
    return left == 0


if meets("import"):
    time.sleep(3600)


class Task(CalculatorTask):
    def question(self, random):
        if meets("question"):
            time.sleep(3600)
        return super().question(random)

    def environment(self):
        return Environment()


class Environment(CalculatorEnvironment):
    async def step(self, turn):
        if meets("blocking"):
            time.sleep(3600)
        if meets("awaiting"):
            await asyncio.sleep(3600)
        if meets("thread"):
            await asyncio.to_thread(time.sleep, 3600)
        while meets("swallowing") or (KIND == "swallowing" and left < 1):
            try:
                await asyncio.sleep(3600)
            except BaseException:
                pass
        return await super().step(turn)


def slow(trajectory):
    if meets("reward"):
        time.sleep(3600)
    return positions(trajectory)
'''


@dataclass(frozen=True)
class Ended:
    """What a stopped pod has left: its newest checkpoint's folder without the pod's name, and what it has dropped."""

    code: int
    reason: str
    state: str | None
    dropped: bool
    home: Path


class Stopped(World):
    """Pods of one kind of run, all with the user's module."""

    def run_config(self, grace: int = GRACE, **checkpoints: Any) -> dict[str, Any]:
        """Three steps of one update in many passes; a checkpoint and a validation after the second."""
        config = self.config(steps=3)
        config["algorithm"]["microBatchTokens"] = 1
        config["task"] = {
            "name": "Task",
            "module": {"name": "code", "key": "trouble.py"},
            "rewards": [{"name": "slow"}, {"name": "turns", "weight": "-0.1"}],
        }
        config["checkpoints"] |= {"stopGraceSeconds": grace} | checkpoints
        return config

    def stop(self, config: dict[str, Any], trouble: str = "", death: Death | None = None) -> Ended:
        """A pod that is told to stop where it hangs."""
        code, said, home = self.attempt(config, death, files(trouble))
        assert said is not None, code
        return Ended(code, said.reason, state_of(said), float(said.dropped_seconds or 0) > 0, home)

    def go_on(self, config: dict[str, Any]) -> Result:
        """The next pod, which nobody stops."""
        return self.finish(config, files(""))


def files(trouble: str) -> dict[str, str]:
    """The user's module, and which of its calls hangs."""
    return {"trouble.py": MODULE, "trouble": trouble}


def state_of(said: Termination) -> str | None:
    """The name of the newest committed state: `step-<n>` or `step-<n>-u<k>`."""
    return None if said.committed_uri is None else said.committed_uri.split("/")[-2].rpartition("-")[0]


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """The process that forks them."""
    made = Pods(tmp_path_factory.mktemp("stopped-pods"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def database() -> Iterator[servers.Database]:
    """One for all runs."""
    with servers.postgres() as postgres:
        yield postgres.database()


@pytest.fixture(scope="module")
def world(pods: Pods, database: servers.Database, tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    """With checkpoints in a folder."""
    return Stopped(pods, database, tmp_path_factory.mktemp("stopped"))


@pytest.fixture(scope="module")
def undisturbed(world: Stopped) -> Result:
    """The run that nobody stops."""
    return world.go_on(world.run_config())


UNSAVED = {
    "its module, while it is imported": ("import 1", None),
    "a question, while the data are checked": ("question 3", None),
    "the model, while it is loaded": ("", Death("load", 1, hangs=True)),
    "the check of the sampler": ("", Death("check", 1, hangs=True)),
    "the preparation of the first update": ("", Death("prepare", 1, hangs=True)),
}


def some(cases: dict[str, Any], nightly: set[str]) -> Any:
    """The cases by name; some of them are for the night."""
    marks = {name: [pytest.mark.nightly] if name in nightly else [] for name in cases}
    return pytest.mark.parametrize("what", [pytest.param(name, marks=marks[name]) for name in cases])


@some(UNSAVED, {"its module, while it is imported", "the check of the sampler"})
def test_before_there_is_anything_to_save_it_ends_at_once(world: Stopped, undisturbed: Result, what: str) -> None:
    """With no checkpoint, or with the one that it would have gone on from; it writes none."""
    trouble, death = UNSAVED[what]
    config = world.run_config(LONG_GRACE)
    ended = world.stop(config, trouble, death)
    assert (ended.code, ended.state, ended.dropped) == (ExitCode.STOPPED, None, False)
    if what == "the model, while it is loaded":
        world.stop(config, death=Death("pass", undisturbed.calls["pass"], signal=SIGTERM))
        ended = world.stop(config, trouble, death)
        assert (ended.code, ended.state) == (ExitCode.STOPPED, "step-3")
        assert_equal(world.go_on(config), undisturbed)


HANGING = {
    "a tool's call that blocks the thread": ("blocking 25", "step-1"),
    "a tool's call that is awaited": ("awaiting 25", "step-1"),
    "a tool's call in a thread": ("thread 25", "step-1"),
    "a tool's call that swallows whatever it is thrown": ("swallowing 25", "step-1"),
    "a reward": ("reward 30", "step-1"),
    "the measurement before": ("blocking 1 evaluate_before", None),
    "a validation": ("blocking 1 validate_if_due", "step-2"),
    "the measurement after": ("blocking 1 evaluate_after", "step-3"),
}


@some(HANGING, {"a tool's call that is awaited", "a tool's call in a thread", "the measurement after"})
def test_work_that_hangs_is_dropped_and_the_state_before_it_saved(
    world: Stopped, undisturbed: Result, what: str
) -> None:
    """Exit 10 in time, the seconds of the dropped work in the message, and an exact continuation."""
    trouble, state = HANGING[what]
    config = world.run_config()
    ended = world.stop(config, trouble)
    assert (ended.code, ended.state) == (ExitCode.STOPPED, state), what
    assert ended.dropped
    assert_equal(world.go_on(config), undisturbed)


@pytest.mark.parametrize(("begun", "state", "dropped"), [(24 + 3, "step-1-u0", True), (22, "step-1", False)])
def test_inside_an_update_the_shorter_is_done(
    world: Stopped, undisturbed: Result, begun: int, state: str, dropped: bool
) -> None:
    """Of 24 passes two are dropped and two finished; rollouts that are paid for are never made again."""
    assert undisturbed.calls["pass"] == 3 * 24
    config = world.run_config(LONG_GRACE)
    ended = world.stop(config, death=Death("pass", begun, signal=SIGTERM))
    assert (ended.code, ended.state, ended.dropped) == (ExitCode.STOPPED, state, dropped)
    result = world.go_on(config)
    assert_equal(result, undisturbed)
    first = json.loads((ended.home / "calls.json").read_text())
    assert first["reward"] + result.calls["reward"] == undisturbed.calls["reward"]


@pytest.fixture(scope="module")
def s3() -> Iterator[servers.S3Server]:
    """A real server."""
    with servers.s3() as server:
        yield server


@dataclass(frozen=True)
class Bucket:
    """Pods whose checkpoints lie behind a front door, and where that is."""

    world: Stopped
    door: FrontDoor
    location: dict[str, Any]

    def run_config(self, grace: int = GRACE) -> dict[str, Any]:
        """A run whose checkpoints go there."""
        return self.world.run_config(grace, storage={"s3": self.location})

    def stall(self, folder: Path, *words: str) -> None:
        """Stop passing requests on whose line has all of these words, and tell the pod of this folder to stop."""

        def stalls(line: str) -> bool:
            if all(word in line for word in words):
                (folder / "stop").touch()
                return True
            return False

        self.door.stalls = stalls


@pytest.fixture
def bucket(pods: Pods, database: servers.Database, s3: servers.S3Server, tmp_path: Path) -> Iterator[Bucket]:
    """A new one."""
    keys = {"ACCESS_KEY_ID": s3.access_key, "SECRET_ACCESS_KEY": s3.secret_key}
    variables = {f"TRAINYARD_{use}_{key}": value for use in ("CHECKPOINTS", "MODEL") for key, value in keys.items()}
    door = FrontDoor(s3.endpoint)
    location = {"bucket": s3.make_bucket(), "endpoint": door.endpoint, "secretRef": {"name": "trainyard-s3"}}
    yield Bucket(Stopped(pods, database, tmp_path, variables, s3.root), door, location)
    door.close()


def next_home(bucket: Bucket, config: dict[str, Any]) -> Path:
    """The folder of a run's next pod."""
    return bucket.world.folder / f"{config['run']['uid']}-{config['run']['attempt'] + 1}"


def test_a_download_of_the_model_or_of_its_own_checkpoint_is_left(bucket: Bucket, undisturbed: Result) -> None:
    """A server that never answers; of its own checkpoints none is named that wasn't read whole."""
    config = bucket.run_config(LONG_GRACE)
    bucket.world.stop(config, death=Death("pass", 26, signal=SIGTERM))
    bucket.stall(next_home(bucket, config), "GET", "/trainer_state.pt")
    ended = bucket.world.stop(config)
    assert (ended.code, ended.state) == (ExitCode.STOPPED, None)
    bucket.door.stalls = lambda _: False
    assert_equal(bucket.world.go_on(config), undisturbed)

    model = bucket.run_config(LONG_GRACE)
    folder = next(Path(bucket.world.buckets).rglob("step-3-*")).relative_to(bucket.world.buckets)
    model["model"] = {"s3": bucket.location | {"prefix": "/".join(folder.parts[1:])}}
    model["run"]["uid"] = str(uuid.uuid4())
    bucket.stall(next_home(bucket, model), "GET", "/model.safetensors")
    ended = bucket.world.stop(model)
    assert (ended.code, ended.state) == (ExitCode.STOPPED, None)


def test_a_download_from_a_hub_is_left(world: Stopped) -> None:
    """Of a server that sends a byte now and then, so that no read of it ever times out."""
    config = world.run_config(LONG_GRACE)
    home = world.folder / f"{config['run']['uid']}-1"
    hub = Hub({"config.json": b"{}", "model.safetensors": bytes(10**8)}, trickling={"model.safetensors"})
    hub.trickles = (home / "stop").touch
    with serving(hub):
        config["model"] = {"huggingFace": {"repository": REPOSITORY, "revision": REVISION, "endpoint": hub.endpoint}}
        ended = world.stop(config)
        hub.trickling.clear()
    assert (ended.code, ended.reason, ended.state, ended.dropped) == (ExitCode.STOPPED, "StoppedUnsaved", None, False)


def test_the_newest_state_is_saved_past_an_upload_that_stalls(bucket: Bucket, undisturbed: Result) -> None:
    """It is told to stop where it would wait for the older checkpoint, for the next is due; that one is given up."""
    config = bucket.run_config()
    config["checkpoints"]["everySteps"] = 1
    bucket.door.stalls = lambda line: "/step-2-" in line
    ended = bucket.world.stop(config, death=Death("record", 3, after=True, signal=SIGTERM))
    assert (ended.code, ended.reason, ended.state) == (ExitCode.STOPPED, "Stopped", "step-3")
    bucket.door.stalls = lambda _: False
    assert_equal(bucket.world.go_on(config), undisturbed)


def test_where_nothing_can_be_saved_it_ends_before_it_is_killed(bucket: Bucket, undisturbed: Result) -> None:
    """Exit 10 all the same, and what was lost is told; the state that there was before is named, here none."""
    config = bucket.run_config(5)
    bucket.stall(next_home(bucket, config), "/step-", "PUT")
    ended = bucket.world.stop(config)
    assert (ended.code, ended.reason, ended.state, ended.dropped) == (ExitCode.STOPPED, "StoppedUnsaved", None, True)
    bucket.door.stalls = lambda _: False
    assert_equal(bucket.world.go_on(config), undisturbed)
