"""Calls of tools get results or reasons, in their order, and the conversation goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from trainyard_trainer.seams import Message, Observation, PolicyTurn, Question, ToolCall
from trainyard_trainer.tasks.tool_environment import Tool, ToolEnvironment, ToolError, Verdict


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


def step(*calls: ToolCall, text: str = "", malformed: str | None = None) -> Observation:
    """What the environment makes of one turn."""

    async def play() -> Observation:
        environment = ToolEnvironment(
            TOOLS,
            opening=lambda question: (Message("user", question.text),),
            judge=lambda question, said: Verdict(said or None, said == question.expected),
        )
        assert await environment.reset(Question("What?", "7")) == (Message("user", "What?"),)
        return await environment.step(PolicyTurn(text, calls, malformed))

    return asyncio.run(play())


def call(name: str, **arguments: Any) -> ToolCall:
    """A call."""
    return ToolCall(name, arguments)


def test_a_call_gets_its_result() -> None:
    """As a tool's message; call, result and success are noted."""
    assert step(call("double", x=4)) == Observation(
        done=False, reply=(Message("tool", "8", name="double"),), tool_call='double({"x": 4})', tool_result="8",
        tool_ok=True,
    )  # fmt: skip


def test_several_calls_get_their_results_in_order() -> None:
    """The turn counts as a success only if all of them are."""
    found = step(call("half", x=9), call("double", x=1), call("half", x=9, places=2))
    assert [message.content for message in found.reply] == ["4.5", "2", "4.50"]
    assert (found.tool_ok, found.tool_result) == (True, "4.5\n2\n4.50")
    assert step(call("double", x=1), call("half", x=-1)).tool_ok is False


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
    assert (found.done, found.tool_ok, found.tool_result) == (False, False, f"error: {reason}")


def test_a_malformed_call_is_a_turn_with_an_error_result() -> None:
    """Noted as a failed call."""
    found = step(text="<tool_call>{", malformed="the call isn't JSON")
    assert found == Observation(
        done=False, reply=(Message("tool", "error: the call isn't JSON"),), tool_call="<tool_call>{",
        tool_result="error: the call isn't JSON", tool_ok=False,
    )  # fmt: skip


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
