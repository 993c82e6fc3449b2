"""A user's rewards run in a process of their own, which may hang, die and block without taking the trainer along."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.trainyard_trainer.hanging import HANG, only_hanging_takes_time, runs
from tests.trainyard_trainer.told import said, told
from tests.waiting import GUARD_SECONDS, until
from trainyard_api.task import RewardTerm
from trainyard_trainer.errors import DroppedError, RefusedError
from trainyard_trainer.rewards.reward import WeightedReward, close_rewards
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.training.registry import load_rewards
from trainyard_trainer.trajectory import Trajectory

MODULE = (
    HANG
    + """
import asyncio, signal, sys

begun = []


def fine(trajectory):
    return float(trajectory.answer)


def raises(trajectory):
    return {}["no such key"]


def hangs_on_one(trajectory):
    if trajectory.answer == "1":
        hang()
    return float(trajectory.answer)


def dies_on_one(trajectory):
    if trajectory.answer == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return float(trajectory.answer)


def exits_on_one(trajectory):
    if trajectory.answer == "1":
        sys.exit(0)
    return float(trajectory.answer)


def process(trajectory):
    return float(os.getpid())


def parent(trajectory):
    return float(os.getppid())


def secrets(trajectory):
    words = ("TRAINYARD", "AWS", "PGPASS", "WANDB", "MLFLOW", "HF_TOKEN")
    return float(any(name.startswith(word) for name in os.environ for word in words))


def kept(trajectory):
    return float(os.environ["MY_JUDGE"])


async def twenty(trajectory):
    begun.append(trajectory)
    while len(begun) < 20:
        await asyncio.sleep(0.01)
    return float(trajectory.answer)


async def sleeps_on_one(trajectory):
    await asyncio.sleep(3600 if trajectory.answer == "1" else 0)
    return float(trajectory.answer)


async def blocks(trajectory):
    hang()


async def exits(trajectory):
    sys.exit(3)


def by_turn(trajectory):
    return [0.5] * sum(turn.role == "policy" for turn in trajectory.turns)


def starts_a_child(trajectory):
    pid = os.fork()
    if pid == 0:
        time.sleep(3600)
    with open(trajectory.question, "w") as file:
        file.write(str(pid))
    hang()
"""
)

Load = Callable[..., tuple[WeightedReward, ...]]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Rewards of a user's module; their processes end with the test."""
    path = tmp_path / "mine.py"
    path.write_text(MODULE)
    made: list[WeightedReward] = []

    def _load(
        *names: str, seconds: int = int(GUARD_SECONDS), interrupted: Callable[[], bool] = lambda: False
    ) -> tuple[WeightedReward, ...]:
        rewards = load_rewards([RewardTerm(name=name, timeout_seconds=seconds) for name in names], path, interrupted)
        made.extend(rewards)
        return rewards

    yield _load
    close_rewards(made)


def step(count: int = 3) -> list[Trajectory]:
    """Trajectories with the answers 0, 1, 2, ..."""
    return [told(said(), said(), answer=str(number)) for number in range(count)]


def totals(trajectories: list[Trajectory]) -> list[float | None]:
    """Their total rewards."""
    return [trajectory.total_reward for trajectory in trajectories]


def test_rewards_run_in_one_warm_process_beside_the_trainer(load: Load) -> None:
    """It is a child of this process, and it is still the same one in the next step."""
    rewards = load("process", "parent")
    first, second = score(step(1), rewards)[0], score(step(1), rewards)[0]
    assert first.rewards == second.rewards
    assert first.rewards["process"] != os.getpid()
    assert first.rewards["parent"] == os.getpid()


def test_the_process_gets_no_secret_of_the_trainer(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that hold logins are cleared, those of the image stay."""
    for name in ("TRAINYARD_DATABASE_DSN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "WANDB_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("MY_JUDGE", "7")
    (found,) = score(step(1), load("secrets", "kept"))
    assert found.rewards == {"secrets": 0.0, "kept": 7.0}


def test_what_a_reward_raises_names_the_users_line(load: Load, tmp_path: Path) -> None:
    """Type, text, file and line come through."""
    line = MODULE.splitlines().index('    return {}["no such key"]') + 1
    with pytest.raises(RefusedError, match=rf"KeyError: 'no such key' at {tmp_path}/mine\.py:{line}"):
        score(step(), load("fine", "raises"))


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer's, which nothing but hanging moves."""
    only_hanging_takes_time(tmp_path, monkeypatch)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("hangs_on_one", "took longer than 1 seconds"),
        ("dies_on_one", "ended its process"),
        ("exits_on_one", "raised SystemExit: 0"),
        ("sleeps_on_one", "took longer than 1 seconds"),
    ],
)
def test_what_a_process_cannot_survive_fails_one_trajectory(load: Load, name: str, problem: str) -> None:
    """The others are scored, in a new process where there must be one; so is the next step."""
    rewards = load(name, "fine", seconds=1)
    for _ in range(2):
        found = score(step(), rewards)
        assert totals(found) == [0.0, None, 4.0]
        assert problem in str(found[1].error)
        assert found[1].rewards["fine"] == 1.0


def test_coroutines_run_side_by_side(load: Load) -> None:
    """None of twenty ends before all have begun."""
    assert totals(score(step(20), load("twenty"))) == [float(number) for number in range(20)]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("name", "problem"), [("blocks", "took longer"), ("exits", "SystemExit: 3")])
def test_coroutines_that_block_or_exit_fail_by_themselves(load: Load, name: str, problem: str) -> None:
    """Nothing waits for ever for one that never gives control back; ordinary rewards are called all the same."""
    with pytest.raises(RefusedError, match=problem) as refusal:
        score(step(2), load(name, "fine"))
    assert "2 of 2 trajectories failed" in str(refusal.value)


def test_values_by_turn_come_through(load: Load) -> None:
    """A list of one number for each policy turn."""
    assert score(step(1), load("by_turn"))[0].turn_rewards == (0.5, 0.5)


def test_a_stop_is_heeded_while_a_reward_is_waited_for(load: Load, tmp_path: Path) -> None:
    """However long the reward's own time-out is: it comes when the reward hangs already."""
    rewards = load("hangs_on_one", interrupted=(tmp_path / "hangs").exists)
    with pytest.raises(DroppedError):
        score(step(), rewards)


@pytest.mark.usefixtures("clock")
def test_what_a_reward_has_started_ends_with_it(load: Load, tmp_path: Path) -> None:
    """A time-out ends the whole session: no process is left behind."""
    note = tmp_path / "pid"
    with pytest.raises(RefusedError, match="took longer"):
        score([told(said(), question=str(note))], load("starts_a_child", seconds=1))
    pid = int(note.read_text())
    until(lambda: not runs(pid), f"process {pid} is left behind")
