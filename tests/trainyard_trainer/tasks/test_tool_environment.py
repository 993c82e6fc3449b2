"""Calls of tools get results or reasons, in their order, and the conversation goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from trainyard_trainer.environment import Message, Observation, PolicyTurn, Question, ToolCall, UnreadableCall
from trainyard_trainer.readable import is_writable
from trainyard_trainer.tasks.tool_environment import Tool, ToolEnvironment, ToolError, Verdict
from trainyard_trainer.trajectory import CallOutcome


async def _slow_double(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


def _half(x: float, places: int = 1) -> str:
    if x < 0:
        raise ToolError("x must not be negative")
    return f"{x / 2:.{places}f}"


def _broken() -> None:
    raise OSError("no network")


TOOLS = (
    Tool("double", "Twice x.", {"x": {"type": "integer"}}, _slow_double),
    Tool("half", "Half of x.", {"x": {"type": "number"}, "places": {"type": "integer"}}, _half, optional=("places",)),
    Tool("broken", "Never works.", {}, _broken),
)


def step(*calls: ToolCall | UnreadableCall, text: str = "") -> Observation:
    """What the environment makes of one turn."""

    async def play() -> Observation:
        environment = ToolEnvironment(
            TOOLS,
            opening=lambda question: (Message("user", question.text),),
            judge=lambda question, said: Verdict(said or None, said == question.expected),
        )
        assert await environment.reset(Question("What?", "7")) == (Message("user", "What?"),)
        return await environment.step(PolicyTurn(text, calls))

    return asyncio.run(play())


def call(name: str, **arguments: Any) -> ToolCall:
    """A call."""
    return ToolCall(name, arguments)


def test_a_call_gets_its_result() -> None:
    """As a tool's message; call, result and success are noted."""
    assert step(call("double", x=4)) == Observation(
        done=False,
        reply=(Message("tool", "8", name="double"),),
        calls=(CallOutcome('double({"x": 4})', "8", ok=True),),
    )


def test_several_calls_get_their_results_in_order() -> None:
    """Each has an outcome of its own, whatever stands beside it."""
    found = step(call("half", x=9), call("double", x=1), call("half", x=9, places=2))
    assert [message.content for message in found.reply] == ["4.5", "2", "4.50"]
    assert [(outcome.result, outcome.ok) for outcome in found.calls] == [("4.5", True), ("2", True), ("4.50", True)]
    mixed = step(call("half", x=-1), call("double", x=1))
    assert mixed.calls == (
        CallOutcome('half({"x": -1})', "error: x must not be negative", ok=False),
        CallOutcome('double({"x": 1})', "2", ok=True),
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (call("treble", x=1), "there is no tool 'treble'; there are double, half, broken"),
        (call("double"), "double needs the argument 'x'"),
        (call("double", y=1), "double has no argument 'y'; it has x"),
        (call("double", x="1"), "argument 'x' of double must be of type integer"),
        (call("double", x=True), "argument 'x' of double must be of type integer"),
        (call("double", x=1.5), "argument 'x' of double must be of type integer"),
        (call("half", x=None), "argument 'x' of half must be of type number"),
        (call("half", x=-2), "x must not be negative"),
    ],
)
def test_a_wrong_call_gets_a_reason_and_may_be_tried_again(wrong: ToolCall, reason: str) -> None:
    """It isn't the environment's failure, and not the end."""
    found = step(wrong)
    assert not found.done
    assert [(outcome.ok, outcome.result) for outcome in found.calls] == [(False, f"error: {reason}")]


def test_a_malformed_call_gets_an_error_as_its_result() -> None:
    """Each is a failed call, and those beside it are made all the same."""
    found = step(UnreadableCall("{", "the call isn't JSON"), call("double", x=4), UnreadableCall("7", "no object"))
    assert found == Observation(
        done=False,
        reply=(
            Message("tool", "error: the call isn't JSON"),
            Message("tool", "8", name="double"),
            Message("tool", "error: no object"),
        ),
        calls=(
            CallOutcome("{", "error: the call isn't JSON", ok=False),
            CallOutcome('double({"x": 4})', "8", ok=True),
            CallOutcome("7", "error: no object", ok=False),
        ),
    )


def test_a_turn_without_a_call_is_the_last() -> None:
    """The judge says what the answer is, and whether it is right."""
    assert step(text="7") == Observation(done=True, answer="7", success=True)
    assert step(text="") == Observation(done=True, answer=None, success=False)


def test_what_a_tool_raises_is_the_environments_failure() -> None:
    """The policy isn't told, and isn't to blame."""
    with pytest.raises(OSError, match="no network"):
        step(call("broken"))


def test_schemas_are_as_chat_templates_take_them() -> None:
    """With what is required."""
    assert TOOLS[1].schema == {
        "type": "function",
        "function": {
            "name": "half",
            "description": "Half of x.",
            "parameters": {
                "type": "object",
                "properties": {"x": {"type": "number"}, "places": {"type": "integer"}},
                "required": ["x"],
            },
        },
    }


def test_a_long_result_is_cut() -> None:
    """A policy's context has an end."""
    long = Tool("long", "Long.", {}, lambda: "x" * 10**6)
    environment = ToolEnvironment([long], lambda question: question.text, lambda _, said: Verdict(said, False))
    found = asyncio.run(environment.step(PolicyTurn("", (call("long"),))))
    assert len(found.reply[0].content) == 4000


def test_what_a_tool_gives_back_can_be_written() -> None:
    """A policy may have put half of a surrogate pair into a call; that fails no conversation."""

    async def play() -> Observation:
        echo = Tool("echo", "x.", {"x": {"type": "string"}}, lambda x: x)
        environment = ToolEnvironment((echo,), lambda _: "a", lambda _, said: Verdict(said, False))
        return await environment.step(PolicyTurn("", (call("echo", x="a\ud83d"), call("echo\ud83d", x="a"))))

    found = asyncio.run(play())
    assert isinstance(found.reply, tuple)
    assert found.reply[0].content == "a\ufffd"
    assert all(is_writable(message.content) for message in found.reply)
