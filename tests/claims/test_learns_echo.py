"""From random weights, without a demonstration, a model learns to say a digit again; controls don't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.claims.learning_runs import LearningRun, run_manifest

pytestmark = pytest.mark.learning

STEPS = 60


def echo(output: Path, seed: int, weight: str = "1.0", steps: int = STEPS, **grpo: Any) -> LearningRun:
    """GRPO on one digit with the reward `positions`."""
    settings = {"steps": steps, "promptsPerStep": 16, "groupSize": 16, "learningRate": "3e-3", "maxTurns": 1}
    return run_manifest(
        output,
        "echo",
        model={"scratch": {}},
        algorithm={"type": "GRPO", "seed": seed, "grpo": settings | grpo},
        task={"name": "echo", "options": {"digits": "1"}},
        rewards=[{"name": "positions", "weight": weight}],
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_learns_from_random_weights(seed: int, tmp_path: Path) -> None:
    """Nearly no right answer at first, at least nine of ten in the last ten steps."""
    run = echo(tmp_path, seed)
    assert run.success(0, 2) <= 0.1
    assert run.success(STEPS - 10, STEPS - 1) >= 0.9


def test_without_a_learning_rate_nothing_is_learned(tmp_path: Path) -> None:
    """The control stays where chance leaves it."""
    assert echo(tmp_path, 0, steps=20, learningRate="0").success(0, 19) <= 0.1


def test_with_the_rewards_sign_flipped_nothing_is_learned(tmp_path: Path) -> None:
    """It flees from what is right."""
    assert echo(tmp_path, 0, weight="-1.0", steps=40).success(0, 39) <= 0.1
