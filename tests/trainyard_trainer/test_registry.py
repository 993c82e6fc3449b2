"""Names in the manifest lead to entry points, or to an error that lists the known ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.trainyard_trainer.told import said, told
from trainyard_api.termination import TerminationReason
from trainyard_api.training_job_spec import RewardTerm, TaskSpec
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.registry import load_rewards, make_task
from trainyard_trainer.rewards.exact import exact
from trainyard_trainer.rewards.reward import close_rewards
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.tasks.calculator import CalculatorTask

EXACT = [RewardTerm(name="exact")]


@pytest.fixture
def users_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with rewards of a user."""
    (tmp_path / "my_rewards.py").write_text(
        "def brevity(trajectory):\n    return 1 / trajectory.policy_tokens\n\nten = 10\n"
    )
    info = tmp_path / "my_rewards-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-rewards\nVersion: 1\n")
    points = "brevity = my_rewards:brevity\nten = my_rewards:ten\nlost = my_rewards:lost\n"
    (info / "entry_points.txt").write_text(f"[trainyard.rewards]\n{points}")
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
    ("name", "problem"), [("lost", "can't be imported; AttributeError"), ("ten", "isn't callable")]
)
def test_an_entry_point_that_leads_nowhere_is_refused(name: str, problem: str) -> None:
    """The user learns what is wrong with the package."""
    with pytest.raises(RefusedError, match=problem) as refusal:
        load_rewards([RewardTerm(name=name)])
    assert refusal.value.reason is TerminationReason.UNKNOWN_REWARD
