"""In a chat with tools an agent learns to call them; controls that can't learn, or learn from the tools' words, don't.

The model is a random one of 124,000 weights, fine-tuned on conversations of which three in ten call the right tool
rightly, so that about one answer in four is right before. The bars stand between what was measured: success over steps
5 to 9 was .46, .53 and .53 on seeds 0 to 2, against .15 without a learning rate, .00 with the sign flipped, and .19 and
.20 where tool tokens weren't masked; over steps 10 to 19 it was .60, .61 and .64, against .19, .00, .10 and .12.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.claims.learning_runs import LearningRun, Unmasked, run_manifest
from tests.trainyard_trainer import chat_model
from trainyard_trainer.training import components

pytestmark = pytest.mark.learning

TASK = {"name": "arithmetic-tools", "options": {"questions": "sum,calculation", "max_turn_tokens": "24"}}
STEPS = 20
CONTROL_STEPS = 10


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder in which supervised fine-tuning has ended."""
    output = tmp_path_factory.mktemp("tools")
    run_manifest(
        output,
        "tools-sft",
        model={"path": str(chat_model.write(output / "random"))},
        algorithm={"type": "SFT", "seed": 0, "sft": {"steps": 250, "batchSize": 64, "learningRate": "3e-3"}},
        task=TASK,
    )
    return output


def grpo(warm: Path, seed: int = 0, weight: str = "1.0", **changes: Any) -> LearningRun:
    """GRPO from there, with the reward `exact`."""
    settings = {"steps": STEPS, "promptsPerStep": 16, "groupSize": 8, "learningRate": "1e-3", "maxTurns": 3}
    return run_manifest(
        warm,
        "tools-grpo",
        model={"checkpoint": {"trainingJob": "tools-sft", "select": "Latest"}},
        algorithm={"type": "GRPO", "seed": seed, "grpo": settings | changes},
        task=TASK,
        rewards=[{"name": "exact", "weight": weight}],
    )


@pytest.fixture(scope="module")
def learner(warm: Path) -> LearningRun:
    """The run that learns."""
    return grpo(warm)


def test_learns_to_call_tools(learner: LearningRun) -> None:
    """Right answers rise above one half, and nearly every conversation calls a tool at the end."""
    assert learner.success(0, 0) <= 0.35  # before any of it was learned; machines round otherwise
    assert learner.success(5, 9) >= 0.4
    assert learner.success(10, STEPS - 1) >= 0.5
    assert learner.steps[0]["tool_rate"] <= 0.7
    assert learner.steps[-1]["tool_rate"] >= 0.9


def test_without_a_learning_rate_nothing_is_learned(warm: Path) -> None:
    """The control stays where fine-tuning left it."""
    assert grpo(warm, steps=CONTROL_STEPS, learningRate="0").success(5, 9) <= 0.3


def test_with_the_rewards_sign_flipped_success_is_unlearned(warm: Path) -> None:
    """Success is the task's verdict, not the reward: it falls to nothing."""
    assert grpo(warm, weight="-1.0", steps=CONTROL_STEPS).success(5, 9) <= 0.1


def test_who_learns_from_the_tools_words_learns_nothing(warm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tool tokens in the loss: what the mask is for."""
    monkeypatch.setattr(components, "SynchronousRollouts", Unmasked)
    assert grpo(warm, steps=CONTROL_STEPS).success(5, 9) <= 0.3
