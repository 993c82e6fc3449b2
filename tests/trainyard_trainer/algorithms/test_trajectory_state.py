"""A trajectory in a checkpoint: plain types only, equal when read back, and no guess at another layout."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.trainyard_trainer.trajectories import START, policy_turn, segment, trajectory
from trainyard_trainer.algorithms.trajectory_state import require_fields, trajectory_from_state, trajectory_to_state
from trainyard_trainer.trajectory import (
    CallOutcome,
    FinishReason,
    Role,
    Sampling,
    Trajectory,
    TrajectoryId,
    TrajectoryStatus,
    Turn,
)

CALLS = (CallOutcome("1+1", "2", ok=True), CallOutcome("1+", "error: ü", ok=False))
SAID = replace(
    policy_turn(1, 3, number=1),
    text="C1+1;",
    sampling=Sampling(0.7, 16, (2, 5), top_k=3, top_p=0.9),
    finish_reason=FinishReason.LENGTH,
    calls=CALLS,
)
WHOLE = trajectory(
    0.1 + 0.2,
    id=TrajectoryId("run-2", 3, 4, 5),
    status=TrajectoryStatus.TRUNCATED,
    segments=[segment(2, advantages=(0.0, 1 / 3, -0.2), support=(None, (1, 4), None)), segment(1, parent=0, fork_at=2)],
    turns=(Turn(0, 0, 1, Role.PROMPT, "Frage: ü?", START, 0.0), SAID, replace(policy_turn(3, 4), role=Role.TOOL)),
    rewards={"exact": 0.3, "length": 1e-17},
    turn_rewards=(0.1, 0.2),
    normalised_reward=-0.1,
    advantage=1 / 3,
    answer="2",
    truncated_reason="turns",
    success=True,
)


def read_back(state: Any) -> Any:
    """What `torch.load` reads without leave to run code."""
    stored = io.BytesIO()
    torch.save(state, stored)
    stored.seek(0)
    return torch.load(stored, weights_only=True)


@pytest.mark.parametrize(
    "one",
    [
        WHOLE,
        trajectory(sample=1, error="it broke", segments=[]),
        *(trajectory(status=each) for each in TrajectoryStatus),
    ],
)
def test_what_is_read_back_equals_what_was_written(one: Trajectory) -> None:
    """To the last bit and in every type: enums, times, tuples, and the NaN of tokens that nobody sampled."""
    back = trajectory_from_state(read_back(trajectory_to_state(one)))
    assert repr(back) == repr(one)
    assert (back.status, back.started_at) == (one.status, one.started_at)
    assert type(back.status) is TrajectoryStatus


def leaves(value: Any) -> set[type]:
    """Types of all values within maps, lists and tuples."""
    if isinstance(value, dict):
        return set().union(*map(leaves, value.values()), *map(leaves, value.keys()))
    return set().union(*map(leaves, value)) if isinstance(value, list | tuple) else {type(value)}


def test_a_state_has_plain_types_only() -> None:
    """An enum or a date would be code to read."""
    assert leaves(trajectory_to_state(WHOLE)) <= {str, int, float, bool, type(None)}


def test_a_state_shares_nothing_that_changes() -> None:
    """Rewards that change later don't change what is being written."""
    rewards = {"exact": 1.0}
    state = trajectory_to_state(replace(WHOLE, rewards=rewards))
    rewards["exact"] = 0.0
    assert state["rewards"] == {"exact": 1.0}


PLACES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "Trajectory": lambda state: state,
    "Segment": lambda state: state["segments"][1],
    "Turn": lambda state: state["turns"][2],
    "CallOutcome": lambda state: state["turns"][1]["calls"][1],
}


@pytest.mark.parametrize("name", PLACES)
def test_a_field_too_many_or_too_few_is_refused_by_the_name_of_its_layout(name: str) -> None:
    """Another release may mean something else by the rest."""
    more, fewer = trajectory_to_state(WHOLE), trajectory_to_state(WHOLE)
    PLACES[name](more)["novel"] = 1
    PLACES[name](fewer).popitem()
    for state in (more, fewer):
        with pytest.raises(ValueError, match=f"a {name} in a checkpoint"):
            trajectory_from_state(state)


def test_values_that_no_enum_has_are_refused() -> None:
    """A status, a role or a reason of another release."""
    for name, value in (("status", "bored"), ("started_at", "yesterday")):
        with pytest.raises(ValueError, match=value):
            trajectory_from_state(trajectory_to_state(WHOLE) | {name: value})
    for name in ("role", "finish_reason"):
        state = trajectory_to_state(WHOLE)
        state["turns"][1][name] = "umpire"
        with pytest.raises(ValueError, match="umpire"):
            trajectory_from_state(state)


def test_a_layout_is_that_of_its_dataclass() -> None:
    """The same fields in any order are the same layout."""
    require_fields({"ok": True, "result": "2", "call": "1+1"}, CallOutcome)
    with pytest.raises(ValueError, match="CallOutcome"):
        require_fields({}, CallOutcome)
    assert math.isnan(trajectory_from_state(trajectory_to_state(WHOLE)).segments[0].logprobs[0])
