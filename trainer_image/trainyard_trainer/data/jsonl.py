"""Reads questions from JSON lines: from bytes, or an error that says where the file is wrong.

Place in the data's way: station 4. Pure: it is given the bytes. One object per line::

    {"query": "What is 2 + 2?", "expected_outcome": "4"}

A byte order mark at the beginning, CRLF line ends, blank lines and a missing last line end are accepted; members of
other names are ignored, and counted for the data report. A number as the outcome becomes the text that stands in the
file (`1.50` stays `1.50`); any other type is refused, for its text could be written in more than one way.
"""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from trainyard_api.termination import TerminationReason
from trainyard_trainer.environment import Question
from trainyard_trainer.errors import RefusedError, TrainerError

_SHOWN = 120
"""Characters of a value that an error shows."""


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """Holds the questions of a file in its order, and how often unknown members occurred."""

    questions: tuple[Question, ...]
    ignored: Mapping[str, int]


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class _RuleError(TrainerError):
    """A line that breaks a rule: the rule, and the value at fault."""

    def __init__(self, rule: str, value: str) -> None:
        self.rule = rule
        self.value = value
        super().__init__(rule)


def read_questions(content: bytes, *, source: str, field_path: str) -> QuestionFile:
    """Reads the questions in a file's bytes.

    Args:
        content: the whole file.
        source: name of the file for people.
        field_path: the manifest's field that names it, such as `spec.task.data.train`.

    Raises:
        RefusedError: INVALID_DATA; the file is empty, isn't UTF-8, or a line (which the message names) isn't a JSON
            object with a question and an expected outcome.
    """

    def refuse(rule: str, value: str | None) -> NoReturn:
        shown = value if value is None or len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
        raise RefusedError(
            TerminationReason.INVALID_DATA, f"{source}{rule}", field_path=field_path, value=shown
        ) from None

    try:
        # utf-8-sig would count an error's place from behind the mark.
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = f" line {line}, byte {error.start} of the file"
        encoding = ", but begins as UTF-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""
        refuse(f"{where}: must be UTF-8{encoding}", f"0x{content[error.start]:02x}")
    questions: list[Question] = []
    ignored: Counter[str] = Counter()
    # Not splitlines: other line separators may stand inside a JSON string.
    for number, written in enumerate(text.split("\n"), 1):
        if not written.strip(" \t\r"):
            continue
        try:
            members = _members(written)
            questions.append(Question(_query(members), _outcome(members), line=number))
        except _RuleError as error:
            refuse(f" line {number}: {error.rule}", error.value)
        ignored.update(name for name in members if name not in ("query", "expected_outcome"))
    if not questions:
        refuse(": must hold at least one question", f"{len(content)} bytes")
    return QuestionFile(tuple(questions), dict(ignored))


def _members(line: str) -> dict[str, Any]:
    """Parses the object on a line."""
    try:
        value = json.loads(
            line, parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        rule = f"must be one JSON object, and breaks off at character {error.pos + 1} ({error.msg})"
        raise _RuleError(rule, line.strip()) from None
    except RecursionError:
        raise _RuleError("must not be nested so deeply", line.strip()) from None
    if not isinstance(value, dict):
        raise _RuleError("must be a JSON object", line.strip())
    return value


def _query(members: Mapping[str, Any]) -> str:
    query = _member(members, "query")
    if not isinstance(query, str) or isinstance(query, _Number):
        raise _RuleError("query must be a string", json.dumps(query))
    return _text("query", query)


def _outcome(members: Mapping[str, Any]) -> str:
    outcome = _member(members, "expected_outcome")
    if not isinstance(outcome, str):
        raise _RuleError("expected_outcome must be a string or a number", json.dumps(outcome))
    return _text("expected_outcome", str(outcome))


def _member(members: Mapping[str, Any], name: str) -> Any:
    if name not in members:
        raise _RuleError(f"must have the member {name}", ", ".join(members) or "{}")
    return members[name]


def _text(name: str, text: str) -> str:
    """Returns the text if it isn't empty and can be encoded."""
    if not text.strip():
        raise _RuleError(f"{name} must not be empty", text)
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON can escape one half of a surrogate pair, which no encoding has.
        raise _RuleError(f"{name} must be text; half of a surrogate pair is none", ascii(text)) from None
    return text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        name = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise _RuleError("must not have a member twice", name)
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise _RuleError("must be JSON, which has no such number", name)
