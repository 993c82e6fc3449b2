"""Coroutines of rewards side by side, in a real worker: whatever one of them does, that one fails and no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.trainyard_trainer.hanging import HANG, only_hanging_takes_time
from tests.trainyard_trainer.told import said, told
from tests.waiting import GUARD_SECONDS
from trainyard_api.task import RewardTerm
from trainyard_trainer.rewards.reward import WeightedReward, close_rewards
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.training.registry import load_rewards
from trainyard_trainer.trajectory import Trajectory

MODULE = (
    HANG
    + '''
import asyncio, contextlib, ctypes, signal, sys, threading

CALLED = pathlib.Path(__file__).with_name("called")
LATER = pathlib.Path(__file__).with_name("later")
left = []


class OwnError(BaseException):
    """No Exception at all."""


class SilentError(Exception):
    def __str__(self):
        raise OwnError


async def fine(trajectory):
    await asyncio.sleep(0)
    return float(trajectory.answer)


def one(misbehave):
    """A reward that misbehaves for the answer 1, once all others wait."""

    async def _reward(trajectory):
        with CALLED.open("a") as file:
            file.write(trajectory.answer + " ")
        loop = asyncio.get_running_loop()
        turned = loop.create_future()
        loop.call_soon(lambda: loop.call_soon(lambda: turned.done() or turned.set_result(None)))
        await turned
        if trajectory.answer == "1":
            found = misbehave(loop)
            if asyncio.iscoroutine(found):
                await found
        else:
            waited = loop.create_future()
            loop.call_later(0.05, lambda: waited.done() or waited.set_result(None))
            await waited
        return float(trajectory.answer)

    return _reward


def throw(error):
    def _throw(loop=None):
        raise error  # here

    return _throw


async def throw_later(error):
    await asyncio.sleep(0)
    raise error  # in a child


cancelled = one(throw(asyncio.CancelledError("mine")))
interrupted = one(throw(KeyboardInterrupt("mine")))
exits = one(throw(SystemExit("mine")))
generator = one(throw(GeneratorExit("mine")))
own = one(throw(OwnError("mine")))
group = one(throw(BaseExceptionGroup("mine", [BaseExceptionGroup("inner", [SystemExit("innermost")])])))
silent = one(throw(SilentError()))
stops_iteration = one(throw(StopIteration("mine")))


def in_a_child(make):
    async def _wait(loop):
        await make()

    return one(_wait)


child_exits = in_a_child(lambda: asyncio.create_task(throw_later(SystemExit("mine"))))
child_of_a_gather = in_a_child(lambda: asyncio.gather(asyncio.sleep(3600), throw_later(KeyboardInterrupt("mine"))))


@one
async def child_of_a_group(loop):
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(3600))
        group.create_task(throw_later(SystemExit("mine")))


@one
async def child_that_nobody_awaits(loop):
    left.append(asyncio.create_task(throw_later(SystemExit("mine"))))
    await asyncio.sleep(3600)


@one
def cancels_all(loop):
    for task in asyncio.all_tasks():
        task.cancel()
    raise KeyError("mine")


@one
async def cancels_itself(loop):
    asyncio.current_task().cancel()
    await asyncio.sleep(3600)


@one
def ends(loop):
    os._exit(3)


@one
def crashes(loop):
    ctypes.string_at(0)


@one
def blocks(loop):
    hang()


def blocks_in_a_child(loop):
    async def _block():
        hang()

    left.append(asyncio.create_task(_block()))
    return asyncio.sleep(3600)


blocks_in_a_child = one(blocks_in_a_child)


@one
def raises_from_a_callback(loop):
    loop.call_soon(throw(SystemExit("mine")))
    raise KeyError("mine")


@one
def stops_the_loop(loop):
    loop.stop()
    raise KeyError("mine")


@one
def closes_the_loop(loop):
    loop.close()


@one
def tears_out_the_selector(loop):
    loop._selector.close()
    raise KeyError("mine")


@one
def takes_asyncio_apart(loop):
    for name in ("sleep", "timeout", "current_task", "all_tasks", "new_event_loop", "Task", "run", "gather"):
        setattr(asyncio, name, None)
    raise KeyError("mine")


@one
async def never_ends(loop):
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(3600)


@one
async def gives_a_number_when_its_time_is_up(loop):
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)


@one
async def sleeps(loop):
    await asyncio.sleep(3600)


@one
def keeps_the_thread(loop):
    time.sleep(2.5)


@one
async def leaves_much_behind(loop):
    async def _stay():
        while True:
            with contextlib.suppress(BaseException):
                await asyncio.sleep(3600)

    async def _give():
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(3600)

    giving = _give()
    await anext(giving)
    left.extend([asyncio.create_task(_stay()), giving])
    threading.Thread(target=time.sleep, args=[3600]).start()
    loop.run_in_executor(None, time.sleep, 3600)
    raise KeyError("mine")


async def looks_at_the_clock(trajectory):
    if trajectory.answer == "1":
        await asyncio.sleep(0)
        time.sleep(1.0)
        left.append("too late")
    else:
        await asyncio.sleep(0.01)
        if left:
            raise TimeoutError("my own limit")
    return float(trajectory.answer)


async def leaves_a_bomb(trajectory):
    def _explode():
        while not LATER.exists():
            time.sleep(0.01)
        os._exit(7)

    if trajectory.answer == "1":
        left.append(threading.Thread(target=_explode))
        left[-1].start()
    return float(trajectory.answer)


def meets_the_bomb(trajectory):
    if trajectory.answer == "2" and left:
        LATER.touch()
        time.sleep(3600)
    return float(trajectory.answer)


def forks(trajectory):
    if trajectory.answer == "1" and os.fork() == 0:
        raise KeyError("in the child")
    return float(trajectory.answer)


def sets_an_alarm(trajectory):
    before, _ = signal.setitimer(signal.ITIMER_REAL, 3600)
    return before
'''
)
COUNT = 16
Load = Callable[..., tuple[WeightedReward, ...]]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Rewards of the module above; their processes end with the test, and nothing but hanging takes their time."""
    only_hanging_takes_time(tmp_path, monkeypatch)
    path = tmp_path / "mine.py"
    path.write_text(MODULE)
    made: list[WeightedReward] = []

    def _load(*names: str, seconds: int = int(GUARD_SECONDS)) -> tuple[WeightedReward, ...]:
        rewards = load_rewards([RewardTerm(name=name, timeout_seconds=seconds) for name in names], path)
        made.extend(rewards)
        return rewards

    yield _load
    close_rewards(made)


def step() -> list[Trajectory]:
    """Trajectories with the answers 0, 1, 2, ..."""
    return [told(said(), answer=str(number)) for number in range(COUNT)]


def require_all_right(found: list[Trajectory], name: str) -> None:
    """Each has the reward of its own answer."""
    assert [one.rewards[name] for one in found] == [float(number) for number in range(COUNT)], found[1].error


def require_only_one_fails(rewards: tuple[WeightedReward, ...], problem: str) -> None:
    """The one with the answer 1 fails so, and each other has the reward of its own answer."""
    found = score(step(), rewards)
    assert [one.rewards[rewards[0].name] for one in found if one.answer != "1"] == [0.0, *range(2, COUNT)]
    assert re.search(problem, str(found[1].error)), found[1].error


def line_of(text: str) -> int:
    """The only line of the module that ends so."""
    (number,) = (number for number, line in enumerate(MODULE.splitlines(), 1) if line.endswith(text))
    return number


HERE, CHILD = line_of("# here"), line_of("# in a child")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("cancelled", rf"raised CancelledError: mine at .*/mine\.py:{HERE}"),
        ("interrupted", rf"raised KeyboardInterrupt: mine at .*/mine\.py:{HERE}"),
        ("exits", rf"raised SystemExit: mine at .*/mine\.py:{HERE}"),
        ("generator", rf"raised GeneratorExit: mine at .*/mine\.py:{HERE}"),
        ("own", rf"raised OwnError: mine at .*/mine\.py:{HERE}"),
        ("group", rf"BaseExceptionGroup: mine .* at .*/mine\.py:{HERE}; the first: SystemExit: innermost"),
        ("silent", rf"raised SilentError: \(its text raised OwnError\) at .*/mine\.py:{HERE}"),
        ("stops_iteration", r"raised RuntimeError: coroutine raised StopIteration at .*/mine\.py:\d+"),
        ("child_exits", rf"raised SystemExit: mine at .*/mine\.py:{CHILD}"),
        ("child_of_a_gather", rf"raised KeyboardInterrupt: mine at .*/mine\.py:{CHILD}"),
        ("child_of_a_group", rf"raised SystemExit: mine at .*/mine\.py:{CHILD}"),
        ("child_that_nobody_awaits", rf"raised SystemExit: mine at .*/mine\.py:{CHILD}"),
        ("cancels_all", r"raised KeyError: 'mine'"),
        ("cancels_itself", r"raised CancelledError at .*/mine\.py:\d+"),
        ("ends", r"ended its process, with exit code 3 at .*/mine\.py:\d+"),
        ("crashes", r"ended its process, by SIGSEGV at .*/mine\.py:\d+"),
        ("blocks", r"took longer than 600 seconds at .*/mine\.py:\d+"),
        ("blocks_in_a_child", r"took longer than 600 seconds at .*/mine\.py:\d+"),
        ("raises_from_a_callback", r"raised (KeyError: 'mine'|SystemExit: mine) at .*/mine\.py:\d+"),
        ("stops_the_loop", r"raised KeyError: 'mine'"),
        ("closes_the_loop", r"raised RuntimeError: Cannot close a running event loop at .*/mine\.py:\d+"),
        ("tears_out_the_selector", r"raised KeyError: 'mine'"),
        ("takes_asyncio_apart", r"raised KeyError: 'mine'"),
        ("leaves_much_behind", r"raised KeyError: 'mine'"),
    ],
)
def test_one_coroutine_fails_alone(load: Load, name: str, problem: str) -> None:
    """Fifteen of sixteen are right whatever the other does, in this step and in the next."""
    rewards = load(name)
    for _ in range(2):
        require_only_one_fails(rewards, problem)


@pytest.mark.parametrize("name", ["never_ends", "gives_a_number_when_its_time_is_up", "keeps_the_thread"])
def test_one_coroutine_that_takes_too_long_fails_alone(load: Load, name: str) -> None:
    """Whether it doesn't heed that its time is up, answers then, or kept the others from theirs."""
    require_only_one_fails(load(name, seconds=2), r"took longer than 2 seconds at .*/mine\.py:\d+")


def test_a_slow_coroutine_is_called_once(load: Load, tmp_path: Path) -> None:
    """No doubt falls on others that didn't block it; a call may cost its user money."""
    require_only_one_fails(load("sleeps", seconds=3), "took longer than 3 seconds")
    assert sorted(map(int, (tmp_path / "called").read_text().split())) == list(range(COUNT))


def test_a_limit_of_the_users_own_isnt_believed_after_somebody_blocked(load: Load) -> None:
    """Those that it hit while another one kept the thread are called again, alone."""
    require_all_right(score(step(), load("looks_at_the_clock")), "looks_at_the_clock")


def test_what_one_call_left_behind_isnt_blamed_on_another(load: Load) -> None:
    """A thread of an earlier call ends the process: the call that was at work then is made again in a new one."""
    found = score(step(), load("leaves_a_bomb", "meets_the_bomb"))
    require_all_right(found, "leaves_a_bomb")
    require_all_right(found, "meets_the_bomb")


def test_a_fork_that_comes_back_says_nothing(load: Load) -> None:
    """A copy of the worker neither answers for it nor takes its requests."""
    rewards = load("forks")
    for _ in range(2):
        require_all_right(score(step(), rewards), "forks")


def test_an_alarm_ends_with_its_reward(load: Load) -> None:
    """It would go off in the next one."""
    assert {one.total_reward for one in score(step(), load("sets_an_alarm"))} == {0.0}
