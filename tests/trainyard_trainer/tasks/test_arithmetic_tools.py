"""The task arithmetic-tools: what is asked, what its tools answer, what counts as right."""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.environment import PolicyTurn, Question, ToolCall
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.arithmetic_tools import ArithmeticToolsTask, sum_1_to_n
from trainyard_trainer.tasks.task import DemonstrationTurn
from trainyard_trainer.trajectory import Role


def test_questions_have_the_right_answers() -> None:
    """Of all three kinds, worked out here in another way."""
    random, kinds = np.random.default_rng(0), set()
    for _ in range(500):
        question = ArithmeticToolsTask({}).question(random)
        if found := re.fullmatch(
            r"What is the sum of the whole numbers from 1 to (\d+)(?:, times (\d+))?\?", question.text
        ):
            assert int(question.expected) == sum(range(int(found[1]) + 1)) * int(found[2] or 1)
            kinds.add("combination" if found[2] else "sum")
        else:
            found = re.fullmatch(r"What is (\d+)([-+*])(\d+)\?", question.text)
            assert found is not None
            assert int(question.expected) == eval("".join(found.groups()))
            kinds.add("calculation")
    assert kinds == {"sum", "calculation", "combination"}


def play(question: Question, *turns: PolicyTurn) -> list[tuple[str | None, str | None, bool]]:
    """Tool results, answers and verdicts of a conversation."""

    async def converse() -> list[tuple[str | None, str | None, bool]]:
        environment = ArithmeticToolsTask({}).environment()
        await environment.reset(question)
        found = [await environment.step(turn) for turn in turns]
        return [(one.calls[0].result if one.calls else None, one.answer, one.success) for one in found]

    return asyncio.run(converse())


def test_a_conversation_with_both_tools() -> None:
    """The sum first, then its product."""
    question = Question("What is the sum of the whole numbers from 1 to 57, times 3?", "4959")
    calls = [ToolCall("sum_1_to_n", {"n": 57}), ToolCall("calculator", {"expression": "1653*3"})]
    turns = [PolicyTurn("", (call,)) for call in calls]
    assert play(question, *turns, PolicyTurn("It is 4959.")) == [
        ("1653", None, False),
        ("4959", None, False),
        (None, "4959", True),
    ]


def test_tools_refuse_what_they_cannot_work_out() -> None:
    """The reasons go to the policy."""
    question = Question("What is 1+1?", "2")
    calls = [("sum_1_to_n", {"n": 0}), ("calculator", {"expression": "1/0"}), ("calculator", {"expression": "rm"})]
    found = play(question, *(PolicyTurn("", (ToolCall(name, arguments),)) for name, arguments in calls))
    assert all(str(result).startswith("error: ") for result, _, _ in found)
    assert sum_1_to_n(10**9) == "500000000500000000"


def test_demonstrations_rarely_call_rightly() -> None:
    """About 30 % call the right tools, about 10 % for another number; the others guess. All are well-formed."""
    task, random = ArithmeticToolsTask({}), np.random.default_rng(0)
    right = calling = 0
    for _ in range(1000):
        question = task.question(random)
        turns = task.demonstration(question, random)
        assert [turn.role for turn in turns][:2] == [Role.PROMPT, Role.POLICY]
        called = any(turn.role is Role.TOOL for turn in turns)
        calling += called
        right += called and _said(turns[-1]) == question.expected
    assert 0.36 < calling / 1000 < 0.44
    assert 0.26 < right / 1000 < 0.34


def test_a_foreign_question_can_be_asked_and_demonstrated() -> None:
    """Queries of a file needn't have this task's words."""
    task, random = ArithmeticToolsTask({}), np.random.default_rng(3)
    question = Question("How many legs have 12 horses?", "48")
    for _ in range(20):
        assert len(task.demonstration(question, random)) >= 2
    assert play(question, PolicyTurn("They have 48."))[0] == (None, "48", True)
    assert play(Question("How many?", "1,653"), PolicyTurn("1653"))[0] == (None, "1,653", True)
    assert play(Question("Which?", "none"), PolicyTurn("none"))[0] == (None, "none", True)


def test_options() -> None:
    """Kinds of questions, a system message, and their bounds."""
    task = ArithmeticToolsTask({"questions": "sum", "system": "Be short.", "max_turn_tokens": "40"})
    question = task.question(np.random.default_rng(0))
    assert [message.role for message in task.opening(question)] == ["system", "user"]
    assert task.max_turn_tokens == 40
    for bad in ({"questions": "sum,chess"}, {"questions": ""}, {"max_turn_tokens": "0"}, {"max_turn_tokens": "x"}):
        with pytest.raises(RefusedError) as refusal:
            ArithmeticToolsTask(bad)
        assert refusal.value.reason is TerminationReason.INVALID_OPTION
        assert refusal.value.field_path == f"spec.task.options.{next(iter(bad))}"


def _said(turn: DemonstrationTurn) -> str:
    assert not isinstance(turn.said, str)
    return turn.said[0].content
