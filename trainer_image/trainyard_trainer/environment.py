"""Defines what a task's environment hears and says: questions, messages, turns of the policy, observations.

Place in the data's way: station 5. A task's own code needs no more than this, and no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, get_args

from trainyard_trainer.trajectory import CallOutcome


@dataclass(frozen=True, slots=True)
class Question:
    """Holds what the agent is asked, a text that also identifies it, and the right answer.

    `line` is where it stands in its file, from 1; None for one that no file has.
    """

    text: str
    expected: str
    line: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question of a step; `index` counts from 0 within the step."""

    step: int
    index: int
    question: Question


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Holds a call that the policy wrote; `arguments` are the JSON object it gave."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UnreadableCall:
    """Holds what the policy wrote in place of a call, and why it can't be read; the policy is told."""

    text: str
    problem: str


ChatRole: TypeAlias = Literal["system", "user", "assistant", "tool"]
"""Who speaks, in the words of chat templates."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a chat, in the terms of chat templates."""

    role: ChatRole
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    name: str | None = None
    """Name of the tool whose result this is."""


Said = str | tuple[Message, ...]
"""What is put before the policy: plain text, or messages that the model's chat template writes."""


def is_said(value: Any) -> bool:
    """Says whether a value is a text, or a tuple of one or more messages with texts in them."""
    if isinstance(value, str):
        return True
    return isinstance(value, tuple) and len(value) > 0 and all(map(_is_message, value))


def _is_message(value: Any) -> bool:
    if not isinstance(value, Message) or value.role not in get_args(ChatRole):
        return False
    texts = isinstance(value.content, str) and (value.name is None or isinstance(value.name, str))
    return texts and isinstance(value.tool_calls, tuple) and all(map(_is_call, value.tool_calls))


def _is_call(value: Any) -> bool:
    return isinstance(value, ToolCall) and isinstance(value.name, str) and isinstance(value.arguments, Mapping)


@dataclass(frozen=True, slots=True)
class PolicyTurn:
    """Holds what the policy said without its reasoning, and the tool calls in it, in their order.

    `written` is all that it wrote, for people; None where that is `text`.
    """

    text: str
    calls: tuple[ToolCall | UnreadableCall, ...] = ()
    written: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Observation:
    """Says what the environment makes of a policy turn.

    `reply` is put before the policy, unless `done`. `answer` and `success`, the task's verdict, count at the end.
    `calls` says of each tool call in the turn what came of it; calls that can't be read count as failed even where it
    is empty.
    """

    done: bool
    reply: Said = ""
    calls: tuple[CallOutcome, ...] = ()
    answer: str | None = None
    success: bool = False


class Environment(Protocol):
    """Answers the policy in one conversation and owns its tools. What it raises fails that trajectory only."""

    async def reset(self, question: Question) -> Said:
        """Returns what the policy is asked."""

    async def step(self, turn: PolicyTurn) -> Observation:
        """Returns what follows from a policy turn that ended by itself."""
