"""Saying again what was said: a task that a random model learns without a demonstration.

Place in the data's way: station 5, and station 4 for demonstrations. A conversation, in characters: `47;` asks, `47;`
is right. With the reward `positions`, each right place counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from trainyard_trainer.answers import same_answer
from trainyard_trainer.environment import Observation, PolicyTurn, Question
from trainyard_trainer.tasks.options import whole_number
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.trajectory import Role

END = ";"
MAX_DIGITS = 32


class EchoTask(Task):
    """Asks for digits to be said again; see `task.Task`.

    Args:
        options: `digits`, how many, 1 to 32. Default: 3.

    Raises:
        RefusedError: INVALID_OPTION.
    """

    option_names: ClassVar[tuple[str, ...]] = ("digits",)
    alphabet = "0123456789;"
    stop_texts = (END,)

    def __init__(self, options: Mapping[str, str]) -> None:
        self._digits = whole_number(options, "digits", 3, 1, MAX_DIGITS)
        self.max_turn_tokens = self._digits + 1

    def question(self, random: np.random.Generator) -> Question:
        """Draws uniform, independent digits."""
        digits = "".join(str(digit) for digit in random.integers(0, 10, size=self._digits))
        return Question(digits + END, digits)

    def demonstration(self, question: Question, random: np.random.Generator) -> tuple[DemonstrationTurn, ...]:  # noqa: ARG002 (there is one right answer)
        """Returns the right answer."""
        return DemonstrationTurn(Role.PROMPT, question.text), DemonstrationTurn(Role.POLICY, question.expected + END)

    def environment(self) -> EchoEnvironment:
        """Makes a new conversation."""
        return EchoEnvironment()


class EchoEnvironment:
    """Asks one question and takes one answer; see `environment.Environment`."""

    def __init__(self) -> None:
        self._expected = ""

    async def reset(self, question: Question) -> str:
        """Returns the digits."""
        self._expected = question.expected
        return question.text

    async def step(self, turn: PolicyTurn) -> Observation:
        """Ends the conversation; what was said is the answer."""
        answer = turn.text.removesuffix(END)
        return Observation(done=True, answer=answer, success=same_answer(answer, self._expected))
