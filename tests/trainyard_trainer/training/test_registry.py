"""Names in the manifest lead to entry points, or to an error that lists the known ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.trainyard_trainer.told import said, told
from trainyard_api.task import RewardTerm, TaskSpec
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.rewards.exact import exact
from trainyard_trainer.rewards.reward import close_rewards
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.training.registry import load_rewards, make_task

EXACT = [RewardTerm(name="exact")]


def install(folder: Path, entry_points: str) -> None:
    """Make a folder a package's with these entry points."""
    info = folder / "my_rewards-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-rewards\nVersion: 1\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def users_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with rewards of a user."""
    (tmp_path / "my_rewards.py").write_text(
        "def brevity(trajectory):\n    return 1 / trajectory.policy_tokens\n\nten = 10\n"
    )
    (tmp_path / "my_end.py").write_text("import os\n\nos._exit(3)\n")
    (tmp_path / "my_exit.py").write_text("\nraise KeyboardInterrupt('not today')\n")
    points = "brevity = my_rewards:brevity\nten = my_rewards:ten\nlost = my_rewards:lost\n"
    points += "end = my_end:end\nexit = my_exit:exit\n"
    install(tmp_path, f"[trainyard.rewards]\n{points}[trainyard.tasks]\nexiting = my_exit:task\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_built_in_names_are_entry_points_too() -> None:
    """`calculator` and `exact` come from this distribution's metadata."""
    assert isinstance(make_task(TaskSpec(name="calculator", rewards=EXACT)), CalculatorTask)
    (reward,) = load_rewards([RewardTerm(name="exact", weight="-0.5")])
    assert (reward.function, reward.weight, reward.field_path) == (exact, -0.5, "spec.task.rewards[0].name")


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    """Reason, field, value, and what would have worked."""
    with pytest.raises(RefusedError) as refusal:
        make_task(TaskSpec(name="chess", rewards=EXACT))
    error = refusal.value
    assert (error.reason, error.field_path, error.value) == (TerminationReason.UNKNOWN_TASK, "spec.task.name", "chess")
    assert "calculator" in str(error)


def test_an_unknown_reward_is_refused_with_its_place_in_the_list() -> None:
    """Reason, indexed field, value, and what would have worked."""
    with pytest.raises(RefusedError) as refusal:
        load_rewards([*EXACT, RewardTerm(name="beauty")])
    error = refusal.value
    assert error.reason is TerminationReason.UNKNOWN_REWARD
    assert (error.field_path, error.value) == ("spec.task.rewards[1].name", "beauty")
    assert "exact" in str(error)


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    """An option that nobody reads isn't ignored."""
    with pytest.raises(RefusedError) as refusal:
        make_task(TaskSpec(name="calculator", rewards=EXACT, options={"colour": "red"}))
    error = refusal.value
    assert error.reason is TerminationReason.UNKNOWN_OPTION
    assert (error.field_path, error.value) == ("spec.task.options.colour", "red")
    assert "operators" in str(error)


@pytest.mark.usefixtures("users_package")
def test_a_reward_of_a_users_package_is_found() -> None:
    """Installing the package is all it takes."""
    rewards = load_rewards([RewardTerm(name="brevity")])
    assert "my_rewards" not in sys.modules, "imported by the worker alone"
    (scored,) = score([told(said())], rewards)
    close_rewards(rewards)
    assert scored.total_reward == 1 / 3


@pytest.mark.usefixtures("users_package")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("lost", "can't be imported; AttributeError"),
        ("ten", "isn't callable"),
        ("exit", r"can't be imported; KeyboardInterrupt: not today at .*/my_exit\.py:2"),
        ("end", r"its entry point my_end:end ended its process, with exit code 3 when it was imported"),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_refused(name: str, problem: str) -> None:
    """The user learns what is wrong with the package, and which reward it is; others are found before it."""
    with pytest.raises(RefusedError, match=problem) as refusal:
        load_rewards([RewardTerm(name="brevity"), RewardTerm(name=name)])
    assert refusal.value.reason is TerminationReason.UNKNOWN_REWARD
    assert refusal.value.field_path == "spec.task.rewards[1].name"


@pytest.mark.usefixtures("users_package")
def test_a_tasks_package_may_raise_anything() -> None:
    """It is imported here, and refused with its line."""
    with pytest.raises(RefusedError, match=r"can't be imported; KeyboardInterrupt: not today at .*/my_exit\.py:2"):
        make_task(TaskSpec(name="exiting", rewards=EXACT))


def test_metadata_that_cant_be_read_is_the_images_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point without a value, in any package."""
    install(tmp_path, "[trainyard.rewards]\nlost\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for look in (lambda: make_task(TaskSpec(name="calculator", rewards=EXACT)), lambda: load_rewards(EXACT)):
        with pytest.raises(RefusedError, match=r"spec\.task: the entry points of the image's packages can't be read"):
            look()


ODD_TASKS = """
from trainyard_trainer.tasks.echo import EchoTask


class Raising:
    def __init__(self, error):
        self.error = error

    def __get__(self, thing, owner=None):
        raise self.error


class Never:
    def __eq__(self, other):
        raise SystemExit("never equal")

    __repr__ = __hash__ = None


class OptionNames(EchoTask):
    option_names = Raising(KeyboardInterrupt("mine"))


class OneName(EchoTask):
    option_names = "digits"


class OddNames(EchoTask):
    option_names = (Never(),)


class NoNames(EchoTask):
    option_names = 7


class Alphabet(EchoTask):
    alphabet = Raising(GeneratorExit("mine"))


class Missing(EchoTask):
    tools = Raising(AttributeError("mine"))


class Renderer(EchoTask):
    dialogue = Never()


class Question(EchoTask):
    question = Raising(SystemExit("mine"))


class Signature(EchoTask):
    def question(self, random, *, more):
        return None


class Making(EchoTask):
    def __init__(self, options):
        raise BaseExceptionGroup("mine", [SystemExit("inner")])


class Meta(type):
    def __getattribute__(cls, name):
        raise KeyboardInterrupt("mine")


class Meant(metaclass=Meta):
    pass


def __getattr__(name):
    if name == "Made":
        raise SystemExit("mine")
    raise AttributeError(name)
"""


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("OptionNames", r"OptionNames of .*: option_names can't be read; KeyboardInterrupt: mine at .*/odd\.py:10"),
        ("OneName", "must have a tuple of texts as its option_names, not 'digits'"),
        ("OddNames", "must have a tuple of texts as its option_names, not a value of type tuple"),
        ("NoNames", "must have a tuple of texts as its option_names, not 7"),
        ("Alphabet", r"alphabet can't be read; GeneratorExit: mine at .*/odd\.py:10"),
        ("Missing", r"tools can't be read; AttributeError: mine at .*/odd\.py:10"),
        ("Renderer", "must have text or chat as its dialogue, not a value of type Never"),
        ("Question", r"question can't be read; SystemExit: mine at .*/odd\.py:10"),
        ("Signature", r"must take 1 arguments in question, not \(self, random, \*, more\)"),
        ("Making", r"can't be made; BaseExceptionGroup: mine .* at .*/odd\.py:\d+; the first: SystemExit: inner"),
        ("Meant", r"question can't be read; KeyboardInterrupt: mine at .*/odd\.py:\d+"),
        ("Made", r"odd\.py: Made can't be read; SystemExit: mine at .*/odd\.py:\d+"),
    ],
)
def test_a_task_that_raises_when_it_is_looked_at_is_refused(tmp_path: Path, name: str, problem: str) -> None:
    """By a property, a descriptor, a comparison, its class or its module: with what it raised, and where."""
    module = tmp_path / "odd.py"
    module.write_text(ODD_TASKS)
    with pytest.raises(RefusedError, match=problem) as refusal:
        make_task(TaskSpec(name=name, rewards=EXACT), module)
    assert refusal.value.reason is TerminationReason.UNKNOWN_TASK


ODD_REWARDS = """
class Signed:
    __signature__ = property(lambda self: 1 / 0)

    def __call__(self, trajectory):
        return 1.0


class Mean:
    def __getattr__(self, name):
        raise SystemExit(name)

    def __call__(self, trajectory):
        return 2.0


signed, mean = Signed(), Mean()


def __getattr__(name):
    if name == "made":
        return lambda trajectory: 3.0
    if name == "broken":
        raise KeyboardInterrupt("mine")
    raise AttributeError(name)
"""


def test_an_odd_object_may_be_a_reward_all_the_same(tmp_path: Path) -> None:
    """It is callable; what else it has doesn't matter. What can't be had at all is refused with its line."""
    module = tmp_path / "odd.py"
    module.write_text(ODD_REWARDS)
    rewards = load_rewards([RewardTerm(name=name) for name in ("signed", "mean", "made", "exact")], module)
    (found,) = score([told(said())], rewards)
    close_rewards(rewards)
    assert found.rewards == {"signed": 1.0, "mean": 2.0, "made": 3.0, "exact": 1.0}
    with pytest.raises(RefusedError, match=r"broken can't be read; KeyboardInterrupt: mine at .*/odd\.py:\d+"):
        load_rewards([RewardTerm(name="broken")], module)


def test_a_module_that_ends_the_process_is_refused(tmp_path: Path) -> None:
    """While the worker imports it: with the module's field, not as a crash that is tried again."""
    module = tmp_path / "ends.py"
    module.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    with pytest.raises(
        RefusedError, match=r"ended its process, by SIGSEGV when it was imported; .*ends\.py"
    ) as refusal:
        load_rewards(EXACT, module)
    assert refusal.value.field_path == "spec.task.module.key"
