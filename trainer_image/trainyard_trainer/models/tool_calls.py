"""Tool calls in what a policy wrote.

Place in the data's way: station 5. Reads text, runs nothing. How a model writes calls is said by its tokenizer's
`response_template`; else by one of the formats below, named by the task's option or found in the chat template; else
the model is refused before any work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.seams import PolicyTurn, ToolCall, UnreadableCall

CallReader = Callable[[str], PolicyTurn]
"""From a turn's text, without what ends it, to the turn with its calls; never raises."""

_HERMES = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_LLAMA3_PREFIX = "<|python_tag|>"


class _MalformedError(Exception):
    """A call can't be read; the text says why, to the policy too."""


def read_hermes(text: str) -> PolicyTurn:
    """`<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, any number of them, with text around.

    Where openings and closings aren't as many, calls can't be told apart: the turn is one that can't be read.
    """
    if text.count("<tool_call>") != text.count("</tool_call>"):
        return _unreadable(text, "a <tool_call> isn't closed, or a closing one not opened")
    return PolicyTurn(text, tuple(_read(found, "arguments") for found in _HERMES.findall(text)))


def read_llama3_json(text: str) -> PolicyTurn:
    """`{"name": ..., "parameters": {...}}` as the whole turn, with or without `<|python_tag|>` before it."""
    tagged = text.strip().startswith(_LLAMA3_PREFIX)
    body = text.strip().removeprefix(_LLAMA3_PREFIX).strip()
    if not tagged and not body.startswith("{"):
        return PolicyTurn(text)
    return PolicyTurn(text, (_read(body, "parameters"),))


FORMATS: Mapping[str, CallReader] = {"hermes": read_hermes, "llama3-json": read_llama3_json}


def call_reader(
    tokenizer: Any, template: str, opened: str, tools: Sequence[Mapping[str, Any]], named: str | None
) -> CallReader:
    """How calls of this model are read.

    Args:
        tokenizer: the model's.
        template: text of its chat template.
        opened: a conversation up to where a policy turn begins; some templates write the beginning of that turn.
        tools: schemas of the tools that may be called; without any, nothing is read.
        named: a format that the task's option names; it goes before everything else.

    Raises:
        RefusedError: INVALID_OPTION for an unknown name; MODEL_UNSUITABLE where there are tools and no format is known.
    """
    if not tools:
        return PolicyTurn
    if named is not None:
        if named not in FORMATS:
            raise RefusedError(
                TerminationReason.INVALID_OPTION,
                f"must be one of {', '.join(FORMATS)}",
                field_path="spec.task.options.tool_format",
                value=named,
            )
        return FORMATS[named]
    if getattr(tokenizer, "response_template", None) is not None:
        return _by_response_template(tokenizer, opened, tools)
    found = _format_of(template)
    if found is None:
        raise RefusedError(
            TerminationReason.MODEL_UNSUITABLE,
            "must say how it writes tool calls: its tokenizer has no response_template and its chat template shows "
            f"none of the formats {', '.join(FORMATS)}; the task's option tool_format may name one",
            field_path="spec.model",
        )
    return FORMATS[found]


def _format_of(template: str) -> str | None:
    if "<tool_call>" in template and "<function=" not in template:
        return "hermes"
    if _LLAMA3_PREFIX in template or ('"parameters"' in template and "<|eot_id|>" in template):
        return "llama3-json"
    return None


def _by_response_template(tokenizer: Any, opened: str, tools: Sequence[Mapping[str, Any]]) -> CallReader:
    def read(text: str) -> PolicyTurn:
        try:
            message = tokenizer.parse_response(text, prefix=opened, tools=list(tools))
            found = [call.get("function", call) for call in message.get("tool_calls") or ()]
        except Exception as error:  # noqa: BLE001 (a parser may raise anything on what a policy wrote)
            return _unreadable(text, f"the call can't be read: {str(error)[:200]}")
        calls = tuple(map(_found, found))
        content = message.get("content")
        return PolicyTurn(content if isinstance(content, str) and not calls else text, calls)

    return read


def _unreadable(text: str, problem: str) -> PolicyTurn:
    """A turn whose calls can't be told apart."""
    return PolicyTurn(text, (UnreadableCall(text, problem),))


def _read(text: str, arguments_key: str) -> ToolCall | UnreadableCall:
    """A call written as JSON."""
    try:
        return _call(_json(text), arguments_key)
    except _MalformedError as error:
        return UnreadableCall(text, str(error))


def _found(call: Any) -> ToolCall | UnreadableCall:
    """A call that transformers found."""
    try:
        return _call(call, "arguments")
    except _MalformedError as error:
        return UnreadableCall(str(call), str(error))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _MalformedError(f"the call isn't JSON: {str(error)[:200]}") from error


def _call(found: Any, arguments_key: str) -> ToolCall:
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise _MalformedError('a call must be a JSON object with a text as "name"')
    arguments = found.get(arguments_key, {})
    if isinstance(arguments, str):
        arguments = _json(arguments)
    if not isinstance(arguments, dict):
        raise _MalformedError(f'a call\'s "{arguments_key}" must be a JSON object')
    return ToolCall(found["name"], arguments)
