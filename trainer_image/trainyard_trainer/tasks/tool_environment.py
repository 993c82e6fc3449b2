"""Tools as functions with a schema, and the environment that answers a policy's calls of them.

Place in the data's way: station 5. Any chat task can use it: it knows no questions and no answers but through the two
functions that it is given. What a policy gets wrong in a call comes back to it as a message, and the conversation goes
on; what a tool itself raises is the environment's failure.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainyard_trainer.environment import Message, Observation, PolicyTurn, Question, Said, ToolCall, UnreadableCall
from trainyard_trainer.errors import TrainerError
from trainyard_trainer.readable import readable
from trainyard_trainer.trajectory import CallOutcome

MAX_RESULT_CHARACTERS = 4000
"""Most characters of a result that a policy is shown."""
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class ToolError(TrainerError):
    """The call can't be answered as it was made; the text goes to the policy."""


@dataclass(frozen=True, slots=True)
class Tool:
    """Wraps a function, sync or a coroutine function, that a policy may call by name.

    `parameters` has each argument's JSON schema by name, `optional` those that may be left out. The function raises
    ToolError for arguments that it can't use; its result is shown as text.
    """

    name: str
    description: str
    parameters: Mapping[str, Mapping[str, Any]]
    function: Callable[..., Any]
    optional: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """Returns the JSON schema as chat templates take it."""
        required = [name for name in self.parameters if name not in self.optional]
        properties = {name: dict(schema) for name, schema in self.parameters.items()}
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": {"type": "object", "properties": properties, "required": required},
            },
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Holds the answer in a policy's last turn, None if there is none, and whether it is right."""

    answer: str | None
    success: bool


class ToolEnvironment:
    """Answers one conversation with tools; see `environment.Environment`.

    A turn with calls gets their results, in their order; in place of a result, a call that fails or can't be read gets
    the reason. A turn without calls is the last one.

    Args:
        tools: what may be called.
        opening: what is said first.
        judge: reads the last turn's text.
    """

    def __init__(
        self, tools: Sequence[Tool], opening: Callable[[Question], Said], judge: Callable[[Question, str], Verdict]
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._opening = opening
        self._judge = judge
        self._question = Question("", "")

    async def reset(self, question: Question) -> Said:
        """Returns what the task says first."""
        self._question = question
        return self._opening(question)

    async def step(self, turn: PolicyTurn) -> Observation:
        """Returns the results of the turn's calls, or ends the conversation."""
        if not turn.calls:
            verdict = self._judge(self._question, turn.text)
            return Observation(done=True, answer=verdict.answer, success=verdict.success)
        answered = [await self._call(call) for call in turn.calls]
        messages = tuple(Message("tool", outcome.result, name=name) for name, outcome in answered)
        return Observation(done=False, reply=messages, calls=tuple(outcome for _, outcome in answered))

    async def _call(self, call: ToolCall | UnreadableCall) -> tuple[str | None, CallOutcome]:
        """Makes a call; returns the tool's name, if there is such a tool, and what came of it."""
        if isinstance(call, UnreadableCall):
            return None, _failed(call.text, call.problem)
        written = f"{call.name}({json.dumps(dict(call.arguments), ensure_ascii=False)})"
        tool = self._tools.get(call.name)
        if tool is None:
            return None, _failed(written, f"there is no tool {call.name[:100]!r}; there are {', '.join(self._tools)}")
        try:
            _check(tool, call.arguments)
            result = tool.function(**call.arguments)
            if inspect.isawaitable(result):
                result = await result
        except ToolError as error:
            return call.name, _failed(written, str(error))
        # What a tool gives back may be what the policy gave it: a text that can't be written is nobody's failure.
        return call.name, CallOutcome(written, readable(str(result))[:MAX_RESULT_CHARACTERS], ok=True)


def _check(tool: Tool, arguments: Mapping[str, Any]) -> None:
    """Refuses arguments that don't fit the schema's names and types."""
    if unknown := sorted(set(arguments) - set(tool.parameters)):
        raise ToolError(f"{tool.name} has no argument {unknown[0][:100]!r}; it has {', '.join(tool.parameters)}")
    for name, schema in tool.parameters.items():
        if name not in arguments:
            if name not in tool.optional:
                raise ToolError(f"{tool.name} needs the argument {name!r}")
            continue
        wanted, value = str(schema.get("type", "")), arguments[name]
        known = _TYPES.get(wanted)
        if known and (not isinstance(value, known) or (isinstance(value, bool) and wanted != "boolean")):
            raise ToolError(f"argument {name!r} of {tool.name} must be of type {wanted}")


def _failed(call: str, problem: str) -> CallOutcome:
    return CallOutcome(call, readable(f"error: {problem}")[:MAX_RESULT_CHARACTERS], ok=False)
