"""A user's module is imported, or the user is told what is wrong with it and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainyard_trainer.told import said, told
from trainyard_api.task import RewardTerm, TaskSpec
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.rewards.reward import close_rewards
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.training.registry import load_rewards, make_task
from trainyard_trainer.user_code import AttributeUnreadableError, ModuleError, import_file, public_names, read_attribute

REWARDS = """
number = 7


def exact(trajectory):
    return 0.25


def two(trajectory, more):
    return 1.0
"""
MODULE = '''
from __future__ import annotations
from dataclasses import dataclass
from trainyard_trainer.tasks.echo import EchoTask

number = 7


@dataclass
class Kept:
    value: int


class Mirror(EchoTask):
    """A task of one's own."""


class NoQuestions:
    def __init__(self, options):
        pass


class WrongArguments(EchoTask):
    def question(self):
        return None


class Fails(EchoTask):
    def __init__(self, options):
        raise KeyError("no options")


class Bare:
    """With every method, and nothing else."""

    def __init__(self, options):
        pass

    def question(self, random):
        return None

    def demonstration(self, question, random):
        return ()

    def environment(self):
        return None


class Sings(EchoTask):
    dialogue = "song"


def exact(trajectory):
    return 0.25


def two(trajectory, more):
    return 1.0
'''


@pytest.fixture
def rewards(tmp_path: Path) -> Path:
    """A module with rewards alone: its worker starts fast."""
    path = tmp_path / "rewards.py"
    path.write_text(REWARDS)
    return path


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module with good and bad things in it; its name isn't one that Python could import."""
    path = tmp_path / "my-task.py"
    path.write_text(MODULE)
    return path


def task(name: str, module: Path | None, **options: str) -> object:
    """The task of this name."""
    return make_task(TaskSpec(name=name, rewards=[RewardTerm(name="exact")], options=options), module)


def test_a_modules_task_is_found_with_its_options(module: Path) -> None:
    """What it inherits counts as its own."""
    mirror = task("Mirror", module, digits="5")
    assert type(mirror).__name__ == "Mirror"
    assert mirror.max_turn_tokens == 6  # type: ignore[attr-defined]


def test_what_the_module_lacks_comes_from_the_image(module: Path) -> None:
    """The built-in tasks are there all the same."""
    assert type(task("calculator", module)).__name__ == "CalculatorTask"


def test_a_modules_reward_goes_before_one_of_the_image(module: Path) -> None:
    """`exact` is the user's here, and `graded` the built-in one; tasks beside it do no harm."""
    found_rewards = load_rewards([RewardTerm(name="exact"), RewardTerm(name="graded")], module)
    (found,) = score([told(said())], found_rewards)
    close_rewards(found_rewards)
    assert found.rewards == {"exact": 0.25, "graded": 1.0}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("chess", "be defined by the module, which has Bare, Fails, Kept, Mirror, NoQuestions, Sings"),
        ("NoQuestions", "must be a class with the method question"),
        ("exact", "must be a class with the method question"),
        ("number", "isn't callable, so no task"),
        ("WrongArguments", "must take 1 arguments in question"),
        (
            "Bare",
            r"must have the attribute dialogue; a class derived from trainyard_trainer\.tasks\.task\.Task inherits it",
        ),
        ("Sings", "must have text or chat as its dialogue, not 'song'"),
        ("Fails", r"can't be made; KeyError: 'no options' at .*my-task\.py:30"),
    ],
)
def test_what_is_no_task_is_refused(module: Path, name: str, problem: str) -> None:
    """Missing, not callable, without a method, with another signature, or raising: each is said in words."""
    with pytest.raises(RefusedError, match=problem) as refusal:
        task(name, module)
    error = refusal.value
    assert (error.reason, error.field_path, error.value) == (TerminationReason.UNKNOWN_TASK, "spec.task.name", name)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("beauty", "be defined by the module, which has exact, two"),
        ("number", "isn't callable"),
        ("two", r"must take one argument, the trajectory; it takes \(trajectory, more\)"),
    ],
)
def test_what_is_no_reward_is_refused(rewards: Path, name: str, problem: str) -> None:
    """Before any work, with the field that named it."""
    with pytest.raises(RefusedError, match=problem) as refusal:
        load_rewards([RewardTerm(name="graded"), RewardTerm(name=name)], rewards)
    assert refusal.value.reason is TerminationReason.UNKNOWN_REWARD
    assert refusal.value.field_path == "spec.task.rewards[1].name"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "there is no file"),
        ("def f(:\n", r"isn't Python; .* at .*broken\.py:1"),
        ("x = 1\nimport no_such_package\n", r"ModuleNotFoundError: .*no_such_package.* at .*broken\.py:2"),
        ("\n\nraise ValueError('not today')", r"ValueError: not today at .*broken\.py:3"),
        ("import sys; sys.exit(0)", r"SystemExit: 0 at .*broken\.py:1"),
        (b"\xff\xfe", "isn't Python"),
        ("x = 1\0", r"isn't Python; .*null bytes at .*broken\.py"),
        ("\nraise KeyboardInterrupt", r"can't be imported; KeyboardInterrupt at .*broken\.py:2"),
        ("\nraise GeneratorExit", r"can't be imported; GeneratorExit at .*broken\.py:2"),
        ("import asyncio\nraise asyncio.CancelledError", r"can't be imported; CancelledError at .*broken\.py:2"),
        ("\nraise BaseExceptionGroup('two', [SystemExit(3)])", r"two .* at .*broken\.py:2; the first: SystemExit: 3"),
        ("\nraise SyntaxError", r"can't be imported; SyntaxError: None at .*broken\.py:2"),
        ("\nraise SyntaxError(7, (1, 2, 3, 4))", r"can't be imported; SyntaxError: .* at .*broken\.py:2"),
        ("\nexec('f(')", r"can't be imported; SyntaxError: .* at .*broken\.py:2"),
        ("import json\njson.loads('{')", r"JSONDecodeError: .* at .*broken\.py:2"),
        ("import sys\ndel sys.modules[__name__]\nraise KeyError(1)", r"KeyError: 1 at .*broken\.py:3"),
        ("class E(BaseException):\n def __str__(self): raise self\nraise E", r"E: \(its text raised E\) at .*py:3"),
        ("(" * 10_000, "isn't Python|can't be imported"),
    ],
    ids=[
        *("missing", "syntax", "import", "raises", "exits", "bytes", "null", "interrupt", "generator", "cancelled"),
        *("group", "no syntax", "odd syntax", "exec", "library", "gone", "silent", "deep"),
    ],
)
def test_a_broken_module_is_refused_by_tasks_and_rewards_alike(
    tmp_path: Path, text: str | bytes | None, problem: str
) -> None:
    """With file and line, naming the module's field."""
    path = tmp_path / "broken.py"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    for load in (lambda: task("calculator", path), lambda: load_rewards([RewardTerm(name="exact")], path)):
        with pytest.raises(RefusedError, match=problem) as refusal:
            load()
        error = refusal.value
        assert error.reason is TerminationReason.INVALID_MANIFEST
        assert (error.field_path, error.value) == ("spec.task.module.key", "broken.py")


def test_a_module_that_failed_leaves_nothing_behind(tmp_path: Path) -> None:
    """A second try imports anew."""
    path = tmp_path / "late.py"
    path.write_text("raise ValueError")
    with pytest.raises(ModuleError):
        import_file(path)
    path.write_text("import os\n\ndef here():\n    return 1\n\ndef _hidden():\n    return 2\n")
    assert public_names(import_file(path)) == ["here"]


def test_odd_modules_are_searched_all_the_same(tmp_path: Path) -> None:
    """One that makes its attributes as they are asked for, and whose values can't be looked at."""
    path = tmp_path / "lazy.py"
    path.write_text(
        "class Mean:\n    def __getattr__(self, name):\n        raise SystemExit(name)\n\nmean = Mean()\n"
        "globals()[7] = mean\n\ndef there(trajectory):\n    return 1.0\n\ndef __getattr__(name):\n"
        "    if name == 'made':\n        return there\n    if name == 'broken':\n        raise KeyError(name)\n"
        "    raise AttributeError(name)\n"
    )
    module = import_file(path)
    assert public_names(module) == ["Mean", "mean", "there"]
    assert read_attribute(module, "made") is module.there
    assert read_attribute(module, "absent", 7) == 7
    with pytest.raises(AttributeUnreadableError, match=r"broken can't be read; KeyError: 'broken' at .*lazy\.py:15"):
        read_attribute(module, "broken")
    module.__name__ = module.mean
    assert public_names(module) == []
