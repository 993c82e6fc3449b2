"""Claims about what an agent is asked to do."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from trainyard_api.task import MAX_OPTIONS, SpecialTokens, TaskSpec
from trainyard_api.validation import explain

TASK: dict[str, Any] = {"name": "calculator", "rewards": [{"name": "exact"}]}


def faults(**changes: Any) -> list[str]:
    """What is wrong with a task."""
    with pytest.raises(ValidationError) as caught:
        TaskSpec.model_validate(TASK | changes)
    return explain(caught.value)


def test_a_task_needs_a_name_and_rewards_alone() -> None:
    """One reward counts once; texts that spell control tokens are texts."""
    task = TaskSpec.model_validate(TASK)
    assert (task.rewards[0].weight, task.options, task.special_tokens) == ("1.0", {}, SpecialTokens.TEXT)


def test_a_reward_is_named_once() -> None:
    """Two weights of one name would be a guess."""
    twice = [{"name": "exact"}, {"name": "exact", "weight": "2"}]
    assert faults(rewards=twice) == ['rewards: items must differ in name; got ["exact"]']


def test_options_fit_a_config_map_together() -> None:
    """Each may be long; all together have a bound of their own."""
    options = {f"part{number}": "x" * 16_384 for number in range(MAX_OPTIONS // 16_384)}
    assert TaskSpec.model_validate(TASK | {"options": options}).options == options
    assert faults(options=options | {"one": "x"})[0].startswith(f"options: must have at most {MAX_OPTIONS} characters")


def test_own_validation_and_test_questions_come_together() -> None:
    """With one of them alone, the other would be drawn from the questions to train on."""
    path = {"path": "/data/x.jsonl"}
    assert faults(data={"train": path, "test": path}) == [
        'data.test: must be set exactly when validation is; got {"path": "/data/x.jsonl"}'
    ]
