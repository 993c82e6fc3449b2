"""What a policy said in what it wrote: its words without its reasoning, and its tool calls.

Place in the data's way: station 5. Reads text, runs nothing. How a model reasons and writes calls is said by its
tokenizer's `response_template`; else by the marks of `reasoning` and one of the formats below, named by the task's
option or found in the chat template; else the model is refused before any work.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, Protocol

from trainyard_api.termination import TerminationReason
from trainyard_trainer.chat.reasoning import Marks, without_reasoning
from trainyard_trainer.environment import PolicyTurn, ToolCall, UnreadableCall
from trainyard_trainer.errors import RefusedError, TrainerError
from trainyard_trainer.readable import is_writable, one_line

CallReader = Callable[[str], PolicyTurn]
"""From what is said in a turn to the turn with its calls; never raises."""
TurnReader = Callable[[str, str], PolicyTurn]
"""From a turn's text without what ended it, and the text that did, to the turn with its calls; never raises."""

MAX_CALLS: Final = 128
"""Most calls of one turn: a policy that writes nothing else would keep everybody waiting."""

MAX_DEPTH: Final = 64
"""Deepest nesting of a call's arguments: whoever writes or reads them again goes as deep."""
_HERMES = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_LLAMA3_PREFIX = "<|python_tag|>"


class _MalformedError(TrainerError):
    """A call can't be read; the text says why, to the policy too."""


def read_hermes(text: str) -> PolicyTurn:
    """Reads any number of `<tool_call>{"name": ..., "arguments": {...}}</tool_call>` with text around them.

    Where openings and closings aren't as many, calls can't be told apart: the turn is one that can't be read.
    """
    if text.count("<tool_call>") > MAX_CALLS:
        return _unreadable(text[:1000], f"a turn may have at most {MAX_CALLS} calls")
    if text.count("<tool_call>") != text.count("</tool_call>"):
        return _unreadable(text, "a <tool_call> isn't closed, or a closing one not opened")
    return PolicyTurn(text, tuple(_read(found, "arguments") for found in _HERMES.findall(text)))


def read_llama3_json(text: str) -> PolicyTurn:
    """Reads `{"name": ..., "parameters": {...}}` as the whole turn, with or without `<|python_tag|>` before it."""
    tagged = text.strip().startswith(_LLAMA3_PREFIX)
    body = text.strip().removeprefix(_LLAMA3_PREFIX).strip()
    if not tagged and not body.startswith("{"):
        return PolicyTurn(text)
    return PolicyTurn(text, (_read(body, "parameters"),))


FORMATS: Mapping[str, CallReader] = {"hermes": read_hermes, "llama3-json": read_llama3_json}


class Template(Protocol):
    """Says what must be known of a chat template to read what a policy wrote; see `chat.template.ChatTemplate`."""

    source: str
    opened: str
    marks: Marks
    reasoning_begun: bool


def turn_reader(
    tokenizer: Any, template: Template, tools: Sequence[Mapping[str, Any]], named: str | None
) -> TurnReader:
    """Makes the reader of this model's turns: it drops the reasoning, then reads the calls.

    Args:
        tokenizer: the model's.
        template: the chat template; some write the beginning of a policy turn.
        tools: schemas of the tools that may be called; without any, no call is read.
        named: a format of calls that the task's option names; it goes before everything else.

    Raises:
        RefusedError: INVALID_OPTION for an unknown name; MODEL_UNSUITABLE where there are tools and no format is known.
    """
    own = getattr(tokenizer, "response_template", None) is not None
    if own and tools and named is None:
        return _by_response_template(tokenizer, template.opened, tools)
    read = _format(template.source, named) if tools else PolicyTurn

    def turn(text: str, end: str) -> PolicyTurn:
        said = _content(tokenizer, template.opened, text, end) if own else None
        return read(without_reasoning(text, template.marks, begun=template.reasoning_begun) if said is None else said)

    return turn


def _format(template: str, named: str | None) -> CallReader:
    """Finds the format of calls that an option names, or that a template shows."""
    if named is not None and named not in FORMATS:
        raise RefusedError(
            TerminationReason.INVALID_OPTION,
            f"must be one of {', '.join(FORMATS)}",
            field_path="spec.task.options.tool_format",
            value=named,
        )
    found = named or _format_of(template)
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


def _by_response_template(tokenizer: Any, opened: str, tools: Sequence[Mapping[str, Any]]) -> TurnReader:
    def read(text: str, end: str) -> PolicyTurn:
        try:
            message = _parsed(tokenizer, opened, text, end, tools)
            found = [call.get("function", call) for call in message.get("tool_calls") or ()] if tools else []
        except Exception as error:  # noqa: BLE001 (a parser may raise anything on what a policy wrote)
            return _unreadable(text, f"the call can't be read: {one_line(str(error)[:200])}")
        if found and (doubled := _doubled_key(text)) is not None:
            return _unreadable(text, doubled)
        content = message.get("content")
        return PolicyTurn(content if isinstance(content, str) else "", tuple(map(_found, found)))

    return read


def _parsed(tokenizer: Any, opened: str, text: str, end: str, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Parses a turn by the tokenizer's own rule, which may need the turn's end to find that of a call."""
    given = {"prefix": opened, "tools": list(tools) or None}
    try:
        message = tokenizer.parse_response(text + end, **given)
    except Exception:  # noqa: BLE001 (a parser may raise anything on what a policy wrote; it may not know the end)
        message = tokenizer.parse_response(text, **given)
    content = message.get("content")
    return message | ({"content": content.removesuffix(end)} if isinstance(content, str) else {})


def _content(tokenizer: Any, opened: str, text: str, end: str) -> str | None:
    """Returns what a text says by the tokenizer's own rule; None where that finds more in it than reasoning."""
    try:
        message = _parsed(tokenizer, opened, text, end, ())
    except Exception:  # noqa: BLE001 (as above)
        return None
    content = message.get("content") or ""
    return content if isinstance(content, str) and not message.get("tool_calls") else None


def _doubled_key(text: str) -> str | None:
    """Says where an object in a text has a key twice; transformers' parser would silently keep the last one."""
    reader, at = json.JSONDecoder(object_pairs_hook=_unique), text.find("{")
    while at >= 0:
        try:
            _, end = reader.raw_decode(text, at)
        except _MalformedError as error:
            return str(error)
        except (ValueError, RecursionError):
            end = at + 1
        at = text.find("{", end)
    return None


def _unreadable(text: str, problem: str) -> PolicyTurn:
    """Makes a turn whose calls can't be told apart."""
    return PolicyTurn(text, (UnreadableCall(text, problem),))


def _read(text: str, arguments_key: str) -> ToolCall | UnreadableCall:
    """Reads a call written as JSON."""
    try:
        return _call(_json(text), arguments_key)
    except _MalformedError as error:
        return UnreadableCall(text, str(error))


def _found(call: Any) -> ToolCall | UnreadableCall:
    """Reads a call that transformers found."""
    try:
        return _call(call, "arguments")
    except _MalformedError as error:
        return UnreadableCall(str(call), str(error))


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _MalformedError(f"the call isn't JSON: {one_line(str(error)[:200])}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        name = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise _MalformedError(f"the call has the key {name[:100]!r} twice")
    return members


def _finite(written: str) -> float:
    number = float(written)
    if math.isinf(number):
        raise _MalformedError(f"the call has a number that is too large: {written[:100]}")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise _MalformedError(f"the call isn't JSON, which has no {name}")


def _call(found: Any, arguments_key: str) -> ToolCall:
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise _MalformedError('a call must be a JSON object with a text as "name"')
    arguments = found.get(arguments_key, {})
    if isinstance(arguments, str):
        arguments = _json(arguments)
    if not isinstance(arguments, dict):
        raise _MalformedError(f'a call\'s "{arguments_key}" must be a JSON object')
    _require_plain([found["name"], arguments], MAX_DEPTH)
    return ToolCall(found["name"], arguments)


def _require_plain(value: Any, depth: int) -> None:
    """Refuses what JSON can say and no tool should have to expect."""
    if depth < 0:
        raise _MalformedError(f"the call is nested more than {MAX_DEPTH} deep")
    if isinstance(value, str) and not is_writable(value):
        raise _MalformedError("the call holds half of a surrogate pair, which is no text")
    members = [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in members:
        _require_plain(member, depth - 1)
