"""The task `qa`: questions from a file, each answered in one turn.

Place in the data's way: station 5, and station 4 for demonstrations. All that a run on one's own questions needs is a
file of them and a reward.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from trainyard_api.termination import TerminationReason
from trainyard_trainer.answers import same_answer
from trainyard_trainer.environment import Message, Observation, PolicyTurn, Question, Said
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.options import choice, whole_number
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.trajectory import Role


class QuestionAnswerTask(Task):
    """Asks the questions of `spec.task.data`; see `task.Task`.

    The answer is what the policy says without its reasoning and spaces at its ends; none where that is nothing. It
    succeeds if a reader can't tell it from the expected outcome. Demonstrations answer with the expected outcome.

    Args:
        options: `dialogue`, `chat` (default) or `text`; `system`, a system message for a chat; `stop`, the text that
            ends an answer of a text dialogue, a newline by default; `max_turn_tokens`, 256 by default; `alphabet`, all
            characters of questions and answers, the vocabulary of a scratch model.

    Raises:
        RefusedError: INVALID_OPTION.
    """

    option_names: ClassVar[tuple[str, ...]] = ("alphabet", "dialogue", "system", "stop", "max_turn_tokens")
    accepts_data = True

    def __init__(self, options: Mapping[str, str]) -> None:
        self.dialogue = "text" if choice(options, "dialogue", ("chat", "text")) == "text" else "chat"
        self.alphabet = options.get("alphabet", "")
        self.max_turn_tokens = whole_number(options, "max_turn_tokens", 256, 1, 100_000)
        self.stop_texts = (options.get("stop", "\n"),) if self.dialogue == "text" else ()
        self._system = options.get("system")

    def question(self, random: np.random.Generator) -> Question:  # noqa: ARG002 (it has none of its own)
        """Refuses, for questions come from `spec.task.data`.

        Raises:
            RefusedError: INVALID_MANIFEST.
        """
        raise RefusedError(
            TerminationReason.INVALID_MANIFEST,
            "must be set for the task qa, which asks no questions of its own",
            field_path="spec.task.data",
        )

    def demonstration(self, question: Question, random: np.random.Generator) -> tuple[DemonstrationTurn, ...]:  # noqa: ARG002 (there is one right answer)
        """Returns the question and its expected outcome."""
        stop = "".join(self.stop_texts)
        answer: Said = question.expected.strip() + stop
        if self.dialogue == "chat":
            answer = (Message("assistant", question.expected.strip()),)
        return DemonstrationTurn(Role.PROMPT, self.opening(question)), DemonstrationTurn(Role.POLICY, answer)

    def environment(self) -> QuestionAnswerEnvironment:
        """Makes a new conversation."""
        return QuestionAnswerEnvironment(self)

    def right_answer(self, question: Question) -> str:
        """Returns the expected outcome."""
        return question.expected.strip()

    def opening(self, question: Question) -> Said:
        """Returns what opens a conversation."""
        if self.dialogue == "text":
            return question.text
        system = (Message("system", self._system),) if self._system else ()
        return (*system, Message("user", question.text))


class QuestionAnswerEnvironment:
    """Asks one question and takes one answer; see `environment.Environment`."""

    def __init__(self, task: QuestionAnswerTask) -> None:
        self._task = task
        self._expected = ""

    async def reset(self, question: Question) -> Said:
        """Returns the question, as plain text or as messages."""
        self._expected = question.expected
        return self._task.opening(question)

    async def step(self, turn: PolicyTurn) -> Observation:
        """Ends the conversation; what was said is the answer."""
        answer = turn.text
        for stop in self._task.stop_texts:
            answer = answer.removesuffix(stop)
        answer = answer.strip()
        return Observation(done=True, answer=answer or None, success=same_answer(answer, self._expected))
