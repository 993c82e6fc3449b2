"""Two-turn arithmetic: an agent may guess, or call a calculator and copy its result.

Place in the data's way: station 5, and station 4 for demonstrations. A conversation, all in characters::

    Q47*93;        the prompt
    C47*93;        the agent calls the calculator (at most once) ...
    R04371;        ... the environment answers ...
    A04371$        ... and the agent answers; it may answer at once, too

Numbers have five places, zeros and sign included (`00007`, `-0042`). The environment reads what was sampled, so a call
for other numbers gets their result. Anything else ends the conversation without an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from trainyard_api.termination import TerminationReason
from trainyard_trainer.environment import Observation, PolicyTurn, Question
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.trajectory import CallOutcome, Role

OPERATORS = "+-*"
CALL_SHARE = 0.25
"""Share of demonstrations that call the calculator; the others guess, so success must be found by trying."""
NEGATIVE_GUESS_SHARE = 0.15

_CALL = re.compile(r"C(\d\d)([+*-])(\d\d);")
_ANSWER = re.compile(r"A(\d{5}|-\d{4})\$")


def fixed_width(number: int) -> str:
    """Writes a number as five characters: `04371`, `-0046`."""
    return f"{number:05d}"


def calculate(left: int, operator: str, right: int) -> str:
    """Computes what the calculator answers, five characters."""
    results = {"+": left + right, "-": left - right, "*": left * right}
    return fixed_width(results[operator])


class CalculatorTask(Task):
    """Asks about two numbers from 10 to 99; see `task.Task`.

    Args:
        options: `operators`, the ones that are asked for, some of `+-*`. Default: all.

    Raises:
        RefusedError: INVALID_OPTION.
    """

    option_names: ClassVar[tuple[str, ...]] = ("operators",)
    alphabet = "0123456789+-*QCRA;$"
    stop_texts = (";", "$")
    max_turn_tokens = 8

    def __init__(self, options: Mapping[str, str]) -> None:
        self._operators = options.get("operators", OPERATORS)
        if not self._operators or not set(self._operators) <= set(OPERATORS):
            raise RefusedError(
                TerminationReason.INVALID_OPTION,
                f"must be one or more of {OPERATORS}",
                field_path="spec.task.options.operators",
                value=self._operators,
            )

    def question(self, random: np.random.Generator) -> Question:
        """Draws both numbers and the operator, uniform and independent."""
        left, right = (int(number) for number in random.integers(10, 100, size=2))
        operator = self._operators[int(random.integers(len(self._operators)))]
        return Question(f"Q{left}{operator}{right};", calculate(left, operator, right))

    def demonstration(self, question: Question, random: np.random.Generator) -> tuple[DemonstrationTurn, ...]:
        """Makes a well-formed conversation: a quarter call the calculator, the others guess a number."""
        prompt = DemonstrationTurn(Role.PROMPT, question.text)
        if random.random() < CALL_SHARE:
            return (
                prompt,
                DemonstrationTurn(Role.POLICY, "C" + question.text[1:]),
                DemonstrationTurn(Role.TOOL, f"R{question.expected};"),
                DemonstrationTurn(Role.POLICY, f"A{question.expected}$"),
            )
        negative = random.random() < NEGATIVE_GUESS_SHARE
        guess = -int(random.integers(1, 90)) if negative else int(random.integers(0, 9802))
        return prompt, DemonstrationTurn(Role.POLICY, f"A{fixed_width(guess)}$")

    def environment(self) -> CalculatorEnvironment:
        """Makes a new conversation."""
        return CalculatorEnvironment()


class CalculatorEnvironment:
    """Answers one conversation with a calculator; see `environment.Environment`."""

    def __init__(self) -> None:
        self._expected: str | None = None
        self._called = False

    async def reset(self, question: Question) -> str:
        """Returns the question itself."""
        self._expected = question.expected
        self._called = False
        return question.text

    async def step(self, turn: PolicyTurn) -> Observation:
        """Returns the calculator's result for a first call; else ends, with the answer where there is one."""
        if answer := _ANSWER.fullmatch(turn.text):
            return Observation(done=True, answer=answer[1], success=answer[1] == self._expected)
        call = _CALL.fullmatch(turn.text)
        if call is None or self._called:
            return Observation(done=True)
        self._called = True
        result = calculate(int(call[1]), call[2], int(call[3]))
        made = CallOutcome(turn.text[1:-1], result, ok=True)
        return Observation(done=False, reply=f"R{result};", calls=(made,))
