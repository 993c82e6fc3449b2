"""A conversation only grows, and has no trajectory before it has ended."""

from __future__ import annotations

import pytest

from trainyard_trainer.rollouts.conversation import Conversation
from trainyard_trainer.seams import Question
from trainyard_trainer.tasks.calculator import CalculatorEnvironment
from trainyard_trainer.trajectory import Role, TrajectoryId, TrajectoryStatus


def test_a_trajectory_exists_only_of_an_ended_conversation() -> None:
    """Until then there is no status to report."""
    question = Question("Q10+10;", "00020")
    conversation = Conversation(
        TrajectoryId("run-1", 0, 1, 2), "calculator", question, CalculatorEnvironment(), object()
    )
    conversation.hear(Role.PROMPT, "Q10+10;", (1, 2, 3), 5)
    assert conversation.unread == (1, 2, 3)
    with pytest.raises(ValueError, match="hasn't ended"):
        conversation.trajectory()
    conversation.end(TrajectoryStatus.CANCELLED)
    found = conversation.trajectory()
    assert (found.status, found.policy_tokens, found.question, found.expected) == (
        TrajectoryStatus.CANCELLED,
        0,
        "Q10+10;",
        "00020",
    )
