r"""A YAML text as the JSON value that kubectl makes of it (sigs.k8s.io/yaml over goyaml.v2).

Place in the data's way: station 1, where there is no API server. `1e-3` is a number here, `on` a boolean, a date a
text; of two equal keys the later counts, merge keys and aliases are followed, and an unknown tag says nothing. The
grammar is libyaml's; goyaml.v2, a port of it, alone takes `\'` in double quotes, a colon right before `,`, `]` or `}`,
a tag that holds or meets one of `,[]` or escapes what is no UTF-8, and a mark of the byte order that begins a later
line. What libyaml alone takes is refused here.
"""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import yaml
from yaml.events import AliasEvent, CollectionStartEvent, Event, MappingStartEvent, ScalarEvent
from yaml.reader import ReaderError

try:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]
except ImportError as error:
    raise ImportError("manifests are read by PyYAML with libyaml, which this build of PyYAML lacks") from error

MAX_DEPTH: Final = 100
"""Most levels of lists and maps in each other; no field lies deeper than a fifth of it."""
TOO_DEEP: Final = f"lists and maps must lie at most {MAX_DEPTH} deep in each other"
MAX_VALUES: Final = 400_000
"""Most values, those of aliases counted wherever they are used; as JSON they would be too long to apply."""

_BOM = "\ufeff"
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_LATER_BOM = re.compile(f"(?<=[\r\n\x85\u2028\u2029]){_BOM}")
_ESCAPE = re.compile(r"\\.", re.DOTALL)
_CONSTANTS: Final[dict[str, Any]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_BASES = (16, 2, 8, 10)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-(0?[1-9]|1[0-2])-(0?[1-9]|[12][0-9]|3[01])"
    r"(?:[Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})"
    r"| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?)?"
)
_TAGS = "tag:yaml.org,2002:"
_STRING, _BINARY, _MERGE = f"{_TAGS}str", f"{_TAGS}binary", f"{_TAGS}merge"
_RESOLVED = {f"{_TAGS}{name}": name for name in ("bool", "int", "float", "null", "timestamp")}


def yaml_value(text: str, first_line: int = 0) -> Any:
    """Reads the first YAML document of a text; None for a text without one.

    Args:
        text: the YAML.
        first_line: number of lines before it in its file, for errors.

    Raises:
        yaml.YAMLError: it is no YAML, or says what JSON can't.
    """
    try:
        return _first_document(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = None if mark is None else _mark(first_line + mark.line, mark.column)
        raise _fault(place, error.problem or "is no YAML") from error
    except ReaderError as error:
        place = _end(text.encode()[: error.position].decode(), first_line)
        raise _fault(place, f"unacceptable character #x{error.character:04x}: {error.reason}") from error
    except UnicodeError as error:
        raise yaml.YAMLError("a text, and what a tag escapes, must be Unicode") from error


def _first_document(text: str) -> Any:
    later = _LATER_BOM.search(text)
    if later:
        raise _fault(_end(text[: later.start()]), "a mark of the byte order may begin the text, not a later line")
    parser: Any = CParser(text)
    parser.get_event()
    if not parser.check_event(yaml.DocumentStartEvent):
        return None
    start = parser.get_event()
    if start.version not in (None, (1, 1)):
        raise _fault(start.start_mark, "found incompatible YAML document (version 1.1 is required)")
    # Libyaml drops a mark of the byte order before it counts.
    root = _Builder(parser, text.removeprefix(_BOM)).node()
    parser.get_event()
    return _Decoder().value(root)


@dataclass(eq=False)
class _Node:
    """A node of the document; `target` is what an alias refers to."""

    mark: Any
    tag: str | None = None
    text: str | None = None
    plain: bool = False
    items: list[_Node] = field(default_factory=list)
    pairs: list[tuple[_Node, _Node]] | None = None
    target: _Node | None = None


class _Builder:
    """Makes nodes of events; an alias inside the node that it refers to is found later."""

    def __init__(self, events: Any, text: str) -> None:
        self._events = events
        self._text = text
        self._anchors: dict[str, _Node] = {}
        self._in_flow = 0

    def node(self, depth: int = 0) -> _Node:
        """Builds the next node with all below it."""
        event = self._events.get_event()
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise _fault(event.start_mark, f"unknown anchor '{event.anchor}' referenced")
            return _Node(event.start_mark, target=self._anchors[event.anchor])
        node = _Node(event.start_mark)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        if isinstance(event, ScalarEvent):
            node.tag, node.text, node.plain = event.tag, self._sound(event), event.implicit[0]
        else:
            self._fill(node, event, depth + 1)
        return node

    def _sound(self, event: Any) -> str:
        """Returns a scalar's text; refuses what goyaml refuses and libyaml takes or reads otherwise."""
        start, end = event.start_mark.index, event.end_mark.index
        problem = None
        if event.style == '"' and r"\/" in _ESCAPE.findall(self._text, start, end):
            problem = "found unknown escape character: a solidus can't be escaped"
        elif not event.style and self._in_flow and "?" in event.value:
            problem = "a text with a question mark in [] or {} must be quoted"
        elif event.tag and not (event.style or event.value) and self._text[end : end + 1] == ",":
            problem = "a blank must follow a tag"
        if problem:
            raise _fault(event.start_mark, problem)
        return str(event.value)

    def _fill(self, node: _Node, event: CollectionStartEvent, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _too_deep(node)
        self._in_flow += bool(event.flow_style)
        end: type[Event] = yaml.SequenceEndEvent
        if isinstance(event, MappingStartEvent):
            node.pairs, end = [], yaml.MappingEndEvent
        while not self._events.check_event(end):
            if node.pairs is None:
                node.items.append(self.node(depth))
            else:
                node.pairs.append((self.node(depth), self.node(depth)))
        self._events.get_event()
        self._in_flow -= bool(event.flow_style)


class _Decoder:
    """Makes values of nodes, and follows aliases as far as goyaml does."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._values = self._aliased = self._depth = 0

    def value(self, node: _Node) -> Any:
        """Makes the JSON value of a node."""
        self._count(node)
        if node.target is not None:
            return self._alias(node, self.value)
        if node.text is not None:
            value = _scalar(node, node.text)
            if isinstance(value, float) and not math.isfinite(value):
                raise _fault(node.mark, f"{node.text} is no number of JSON")
            # Go writes whole numbers without a point, up to a length.
            return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _too_deep(node)
        into: dict[str, Any] = {}
        self._fill(into, node)
        value = [self.value(item) for item in node.items] if node.pairs is None else into
        self._depth -= 1
        return value

    def _count(self, node: _Node) -> None:
        self._values += 1
        self._aliased += bool(self._open)
        mostly_aliased = self._aliased > 100 and self._values > 1000 and self._aliased > 0.99 * self._values
        if mostly_aliased or self._values > MAX_VALUES:
            raise _fault(node.mark, "document contains excessive aliasing")

    def _alias(self, node: _Node, read: Any) -> Any:
        if id(node) in self._open:
            raise _fault(node.mark, "an alias stands in the value that it refers to")
        self._open.add(id(node))
        found = read(node.target)
        self._open.discard(id(node))
        return found

    def _fill(self, into: dict[str, Any], node: _Node) -> None:
        """Puts a map's members, with those of the maps that it merges, into `into`."""
        for key, value in node.pairs or ():
            if key.text == "<<" and (key.plain or key.tag == _MERGE):
                self._merge(into, value)
            else:
                into[self._name(key)] = self.value(value)

    def _name(self, key: _Node) -> str:
        node = key.target or key
        # Not finite numbers, which are no values of JSON, have names.
        return _key(self.value(key) if node.text is None else _scalar(node, node.text), key)

    def _merge(self, into: dict[str, Any], node: _Node) -> None:
        several = reversed(node.items) if node.text is None and node.pairs is None and node.target is None else [node]
        for each in several:
            self._count(each)
            if (each.target or each).pairs is None:
                raise _fault(each.mark, "map merge requires map or sequence of maps as the value")
            if each.target is None:
                self._fill(into, each)
            else:
                self._count(each.target)
                self._alias(each, lambda target: self._fill(into, target))


def _scalar(node: _Node, text: str) -> Any:
    tag = node.tag
    if tag is None and not node.plain:
        return text
    if tag == _BINARY:
        return _binary(node, text)
    if tag is not None and tag not in _RESOLVED:
        return text
    value = _resolved(text)
    kind = _RESOLVED.get(tag or "")
    if kind == "timestamp":
        fits = bool(_TIMESTAMP.fullmatch(text))
    elif kind == "float":
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        fits = kind is None or kind == {bool: "bool", int: "int", float: "float"}.get(
            type(value), "null" if value is None else "str"
        )
    if not fits:
        raise _fault(node.mark, f"`{text}` can't be decoded as a !!{kind}")
    return value


def _resolved(text: str) -> Any:
    """Reads what a scalar without quotes stands for."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text if text[0] == "." else text.replace("_", "")
    # Longer ones than any integer of 64 bits are left to the floats.
    whole = _INTEGER.fullmatch(digits) if len(digits) < 400 else None
    if whole and text[0] != ".":
        groups = whole.groups()[1:]
        number = next(int(part, base) for part, base in zip(groups, _BASES, strict=True) if part)
        number = -number if whole[1] == "-" else number
        if -(2**63) <= number < (2**63 if whole[1] else 2**64):
            return number
    if not _FLOAT.fullmatch(digits):
        return text
    value = float(digits)
    return text if math.isinf(value) else value


def _key(value: Any, node: _Node) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() if value < 2**63:
            return str(value)
        case float():
            return _short(value)
        case _:
            raise _fault(node.mark, "a key must be a text, a number, true or false")


def _short(value: float) -> str:
    """Writes a number as Go writes one of 32 bits: the fewest digits that give it again."""
    with np.errstate(over="ignore"):
        number = np.float32(value)
    if not math.isfinite(number):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(float(number), ".nan")
    scientific = np.format_float_scientific(number, trim="-", exp_digits=2)
    if -4 <= int(scientific.split("e")[1]) < 6:
        return np.format_float_positional(number, trim="-")
    return scientific


def _binary(node: _Node, text: str) -> str:
    try:
        return lenient(base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True))
    except ValueError as error:
        raise _fault(node.mark, "!!binary value contains invalid base64 data") from error


def lenient(data: bytes) -> str:
    """Decodes bytes as Go does: each that isn't UTF-8 becomes U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", data.decode("utf-8", "surrogateescape"))


def _too_deep(node: _Node) -> yaml.MarkedYAMLError:
    return _fault(node.mark, TOO_DEEP)


def _end(text: str, first_line: int = 0) -> yaml.Mark:
    """Returns the place right after a text."""
    *before, line = _BREAK.split(text)
    return _mark(first_line + len(before), len(line))


def _mark(line: int, column: int) -> yaml.Mark:
    return yaml.Mark("manifest", 0, line, column, None, 0)


def _fault(mark: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
