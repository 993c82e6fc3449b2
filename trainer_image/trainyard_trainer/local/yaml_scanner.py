"""YAML's grammar as kubectl reads it: PyYAML's parser, with what goyaml.v2 does otherwise.

Place in the data's way: station 1, where there is no API server. Both come from libyaml's design; they differ in tabs,
directives, tags, escapes and in a colon inside of a flow collection. Makes events; `yaml_values` makes values of them.
"""

from __future__ import annotations

from typing import Any

from yaml import parser, reader, scanner
from yaml.parser import ParserError
from yaml.scanner import ScannerError
from yaml.tokens import ScalarToken, TagToken

_BREAKS = "\r\n\x85\u2028\u2029"
_BLANKS = " \t"
_ENDS = "\0" + _BREAKS
_BLANK_OR_END = _BLANKS + _ENDS


class Events(reader.Reader, scanner.Scanner, parser.Parser):
    """The events of one text."""

    # A solidus can't be escaped, an apostrophe can.
    ESCAPE_REPLACEMENTS = {  # type: ignore[misc]  # noqa: RUF012
        **{key: text for key, text in scanner.Scanner.ESCAPE_REPLACEMENTS.items() if key != "/"},
        "'": "'",
    }

    def __init__(self, text: str, first_line: int = 0) -> None:
        reader.Reader.__init__(self, text)
        self.line = first_line
        scanner.Scanner.__init__(self)
        parser.Parser.__init__(self)

    def scan_to_next_token(self) -> None:
        """Skip blanks, comments and breaks; a tab is a blank where no block collection can begin."""
        while True:
            while self.peek() == " " or (self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)):
                self.forward()
            self._skip_comment()
            if not self.scan_line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_plain(self) -> ScalarToken:
        """A scalar without quotes: a colon ends it only before a blank, tabs are blanks."""
        start, indent = self.get_mark(), self.indent + 1
        chunks: list[str] = []
        blanks: list[str] = []
        while not (self._at_document_mark() or self.peek() == "#"):
            length = self._plain_length()
            if length:
                self.allow_simple_key = False
                chunks += [*blanks, self.prefix(length)]
                self.forward(length)
            end = self.get_mark()
            if self.peek() not in _BLANKS + _BREAKS:
                break
            blanks = self._plain_blanks(start, indent)
            if not self.flow_level and self.column < indent:
                break
        return ScalarToken("".join(chunks), True, start, end)

    def _plain_length(self) -> int:
        length = 0
        while True:
            character = self.peek(length)
            if character in _BLANK_OR_END or (character == ":" and self.peek(length + 1) in _BLANK_OR_END):
                return length
            if self.flow_level and character in ",?[]{}":
                return length
            length += 1

    def _plain_blanks(self, start: Any, indent: int) -> list[str]:
        """What the blanks and breaks between two words stand for."""
        blanks, breaks = "", []
        while self.peek() in _BLANKS + _BREAKS:
            if self.peek() in _BREAKS:
                breaks.append(self.scan_line_break())
                continue
            if breaks and self.column < indent and self.peek() == "\t":
                raise ScannerError(
                    "while scanning a plain scalar",
                    start,
                    "found a tab character that violates indentation",
                    self.get_mark(),
                )
            blanks += self.peek()
            self.forward()
        if not breaks:
            return [blanks]
        self.allow_simple_key = True
        if breaks[0] != "\n":
            return breaks
        return breaks[1:] or [" "]

    def _at_document_mark(self) -> bool:
        return self.column == 0 and self.prefix(3) in ("---", "...") and self.peek(3) in _BLANK_OR_END

    def _skip_comment(self) -> None:
        if self.peek() == "#":
            while self.peek() not in _ENDS:
                self.forward()

    def _skip_blanks(self) -> None:
        while self.peek() in _BLANKS:
            self.forward()

    def scan_block_scalar_ignored_line(self, start_mark: Any) -> None:
        """The rest of a block scalar's first line."""
        self._skip_blanks()
        self.scan_directive_ignored_line(start_mark)

    def scan_block_scalar_indicators(self, start_mark: Any) -> tuple[bool | None, int | None]:
        """Chomping and indentation of a block scalar, in either order; a blank needn't follow."""
        chomping: bool | None = None
        increment: int | None = None
        for _ in range(2):
            if self.peek() in "+-" and chomping is None:
                chomping = self.peek() == "+"
                self.forward()
            elif self.peek() in "123456789" and increment is None:
                increment = int(self.peek())
                self.forward()
        if self.peek() == "0" and increment is None:
            raise ScannerError(
                "while scanning a block scalar",
                start_mark,
                "found an indentation indicator equal to 0",
                self.get_mark(),
            )
        return chomping, increment

    def scan_block_scalar_indentation(self) -> tuple[list[str], int, Any]:
        """Breaks before the first line, and its indentation, in which there is no tab."""
        found: tuple[list[str], int, Any] = super().scan_block_scalar_indentation()
        self._refuse_tab()
        return found

    def scan_block_scalar_breaks(self, indent: int) -> tuple[list[str], Any]:
        """Breaks between two lines, and indentation, in which there is no tab."""
        found: tuple[list[str], Any] = super().scan_block_scalar_breaks(indent)
        if self.column < indent:
            self._refuse_tab()
        return found

    def _refuse_tab(self) -> None:
        if self.peek() == "\t":
            raise ScannerError(
                "while scanning a block scalar",
                None,
                "found a tab character where an indentation space is expected",
                self.get_mark(),
            )

    def scan_directive_ignored_line(self, start_mark: Any) -> None:
        """The rest of a directive's line."""
        self._skip_blanks()
        self._skip_comment()
        if self.peek() not in _ENDS:
            raise ScannerError("", start_mark, "did not find expected comment or line break", self.get_mark())
        self.scan_line_break()

    def scan_directive_name(self, start_mark: Any) -> str:
        """YAML or TAG; there is no other directive."""
        name: str = super().scan_directive_name(start_mark)
        if name not in ("YAML", "TAG"):
            raise ScannerError("while scanning a directive", start_mark, "found unknown directive name", start_mark)
        return name

    def process_directives(self) -> Any:
        """Version 1.1 alone is known."""
        found = super().process_directives()
        if self.yaml_version not in (None, (1, 1)):
            mark = self.peek_token().start_mark
            raise ParserError(None, None, "found incompatible YAML document (version 1.1 is required)", mark)
        return found

    def scan_tag(self) -> TagToken:
        """A tag, with `!` alone as the tag of that name."""
        start = self.get_mark()
        handle: str | None
        if self.prefix(2) == "!<":
            self.forward(2)
            handle, suffix = None, self._tag_uri(start)
            if self.peek() != ">":
                raise ScannerError("while scanning a tag", start, "did not find the expected '>'", self.get_mark())
            self.forward()
        else:
            handle, suffix = self._handle_and_suffix(start)
        if self.peek() not in _BLANK_OR_END:
            problem = "did not find expected whitespace or line break"
            raise ScannerError("while scanning a tag", start, problem, self.get_mark())
        return TagToken((handle, suffix), start, self.get_mark())

    def _handle_and_suffix(self, start: Any) -> tuple[str | None, str]:
        length = 1
        while self.peek(length).isascii() and (self.peek(length).isalnum() or self.peek(length) in "-_"):
            length += 1
        head = self.prefix(length)
        self.forward(length)
        if self.peek() == "!":
            self.forward()
            return f"{head}!", self._tag_uri(start)
        suffix = head[1:] + self._tag_uri(start, optional=True)
        return ("!", suffix) if suffix else (None, "!")

    def _tag_uri(self, start: Any, *, optional: bool = False) -> str:
        following = self.peek()
        known = following.isascii() and (following.isalnum() or following in "-;/?:@&=+$,_.!~*'()[]%")
        return self.scan_tag_uri("tag", start) if known or not optional else ""
