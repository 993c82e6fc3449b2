"""The task `arithmetic-tools`: arithmetic in words, in a chat with two tools.

Place in the data's way: station 5, and station 4 for demonstrations. The agent may call `sum_1_to_n` and `calculator`
as often as its turns allow, one after another or several at once, and answers in words of which the last number counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from trainyard_trainer.answers import is_ambiguous, last_number, number_of, same_answer
from trainyard_trainer.environment import Message, Question, ToolCall
from trainyard_trainer.tasks.expression import ExpressionError, evaluate, written
from trainyard_trainer.tasks.options import choices, whole_number
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.tasks.tool_environment import Tool, ToolEnvironment, ToolError, Verdict
from trainyard_trainer.trajectory import Role

KINDS = ("sum", "calculation", "combination")
MAX_N = 10**9
CALL_SHARE = 0.3
"""Share of demonstrations that call the right tool rightly; success must be found by trying."""
WRONG_CALL_SHARE = 0.1
"""Share of demonstrations whose first call is for another number; the rest guess."""

_SUM = re.compile(r"sum of the whole numbers from 1 to (\d+)(?:, times (\d+))?\?")
_CALCULATION = re.compile(r"What is (\d+)([-+*])(\d+)\?")


def sum_1_to_n(n: int) -> str:
    """Computes 1 + 2 + ... + n; the tool of this name."""
    if not 1 <= n <= MAX_N:
        raise ToolError(f"n must be from 1 to {MAX_N}")
    return str(n * (n + 1) // 2)


def calculator(expression: str) -> str:
    """Computes an arithmetic expression; the tool of this name."""
    try:
        return written(evaluate(expression))
    except ExpressionError as error:
        raise ToolError(str(error)) from error


TOOLS = (
    Tool("sum_1_to_n", "Adds the whole numbers from 1 to n.", {"n": {"type": "integer"}}, sum_1_to_n),
    Tool(
        "calculator",
        "Works out an expression of numbers, + - * / and brackets.",
        {"expression": {"type": "string"}},
        calculator,
    ),
)


def judge(question: Question, text: str) -> Verdict:
    """Reads the answer in a last turn and says whether it is right.

    Where a number is expected, the last word that is a number must have its value, and the answer is then written as it
    was expected. Where a text is expected, the whole turn must be that text.
    """
    expected = number_of(question.expected)
    if expected is None:
        return Verdict(text.strip() or None, same_answer(text, question.expected))
    answer = last_number(text)
    if answer == expected:
        return Verdict(question.expected, True)
    return Verdict(None if answer is None else written(answer), False)


class ArithmeticToolsTask(Task):
    """Asks for sums from 1 to n, calculations with two numbers, and sums times a number; see `task.Task`.

    Args:
        options: `questions`, which kinds are asked, some of `sum,calculation,combination`, default all; `system`, a
            system message; `tool_format`, how the model writes calls, where it doesn't say so itself;
            `max_turn_tokens`, 256 by default.

    Raises:
        RefusedError: INVALID_OPTION.
    """

    option_names: ClassVar[tuple[str, ...]] = ("questions", "system", "tool_format", "max_turn_tokens")
    dialogue = "chat"
    tools: tuple[Mapping[str, Any], ...] = tuple(tool.schema for tool in TOOLS)
    accepts_data = True

    def __init__(self, options: Mapping[str, str]) -> None:
        self._kinds = choices(options, "questions", KINDS)
        self._system = options.get("system")
        self.tool_format = options.get("tool_format")
        self.max_turn_tokens = whole_number(options, "max_turn_tokens", 256, 1, 100_000)

    def question(self, random: np.random.Generator) -> Question:
        """Draws one of the kinds, with uniform numbers."""
        kind = self._kinds[int(random.integers(len(self._kinds)))]
        n, left, right = int(random.integers(10, 100)), *(int(number) for number in random.integers(10, 100, size=2))
        if kind == "calculation":
            operator = "+-*"[int(random.integers(3))]
            return Question(f"What is {left}{operator}{right}?", calculator(f"{left}{operator}{right}"))
        text = f"What is the sum of the whole numbers from 1 to {n}"
        if kind == "sum":
            return Question(f"{text}?", sum_1_to_n(n))
        factor = int(random.integers(2, 10))
        return Question(f"{text}, times {factor}?", calculator(f"{sum_1_to_n(n)}*{factor}"))

    def demonstration(self, question: Question, random: np.random.Generator) -> tuple[DemonstrationTurn, ...]:
        """Makes a well-formed conversation: some call the right tools, a few call them for another number, most
        guess.
        """
        prompt = DemonstrationTurn(Role.PROMPT, self.opening(question))
        luck = random.random()
        if luck >= CALL_SHARE + WRONG_CALL_SHARE:
            guess = str(int(random.integers(0, 10 ** int(random.integers(2, 5)))))
            return prompt, _says(guess)
        return prompt, *_solution(question.text, off=0 if luck < CALL_SHARE else int(random.integers(1, 10)))

    def environment(self) -> ToolEnvironment:
        """Makes a new conversation."""
        return ToolEnvironment(TOOLS, self.opening, judge)

    def right_answer(self, question: Question) -> str:
        """Returns the expected outcome.

        Raises:
            ValueError: it holds digits and is no number.
        """
        if is_ambiguous(question.expected):
            raise ValueError(
                "expected_outcome must be a number, as -1,234.5, 1e3 or 1/3, or a text without digits: an answer is "
                "judged by its last number"
            )
        return question.expected.strip()

    def opening(self, question: Question) -> tuple[Message, ...]:
        """Returns the messages that open a conversation."""
        system = (Message("system", self._system),) if self._system else ()
        return (*system, Message("user", question.text))


def _solution(text: str, off: int) -> tuple[DemonstrationTurn, ...]:
    """Returns calls that answer a question of this task, the first with its first number `off` too large, and the
    answer.

    A question that isn't of this task's own form is handed to the calculator as it is.
    """
    if found := _SUM.search(text):
        n, factor = int(found[1]) + off, found[2]
        result = sum_1_to_n(n)
        turns = _calls("sum_1_to_n", {"n": n}, result)
        if factor is not None:
            expression = f"{result}*{factor}"
            result = calculator(expression)
            turns += _calls("calculator", {"expression": expression}, result)
        return (*turns, _says(result))
    found = _CALCULATION.search(text)
    expression = f"{int(found[1]) + off}{found[2]}{found[3]}" if found else text
    try:
        result = calculator(expression)
    except ToolError as error:
        result = f"error: {error}"
    return (*_calls("calculator", {"expression": expression}, result), _says(result))


def _calls(name: str, arguments: Mapping[str, Any], result: str) -> tuple[DemonstrationTurn, ...]:
    call = Message("assistant", "", tool_calls=(ToolCall(name, arguments),))
    return (
        DemonstrationTurn(Role.POLICY, (call,)),
        DemonstrationTurn(Role.TOOL, (Message("tool", result, name=name),)),
    )


def _says(text: str) -> DemonstrationTurn:
    return DemonstrationTurn(Role.POLICY, (Message("assistant", text),))
