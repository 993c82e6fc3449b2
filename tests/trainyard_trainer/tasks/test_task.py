"""A task that derives from the protocol has its defaults."""

from __future__ import annotations

from trainyard_trainer.environment import Question
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.trajectory import Role


class Mine(Task):
    """Says nothing of itself."""


def test_a_task_that_says_nothing_is_plain_text_without_tools_files_or_answers() -> None:
    """What it doesn't say costs a user nothing."""
    mine = Mine()
    assert (mine.option_names, mine.dialogue, mine.tools, mine.tool_format) == ((), "text", (), None)
    assert (mine.alphabet, mine.stop_texts, mine.accepts_data) == ("", (), False)
    assert mine.max_turn_tokens == 256
    assert mine.right_answer(Question("2+2", "4")) is None


def test_a_demonstration_s_role_may_be_a_text() -> None:
    """Else the policy's own turns would be trained on as nobody's."""
    assert DemonstrationTurn("policy", "4").role is Role.POLICY
    assert DemonstrationTurn("assistant", "4").role == "assistant"
