"""Arithmetic as text: what a calculator is asked, worked out without evaluating any code.

Place in the data's way: station 5. Pure; exact over fractions. Numbers, + - * /, signs and brackets, nothing else.
"""

from __future__ import annotations

import re
from fractions import Fraction

from trainyard_trainer.errors import TrainerError

MAX_CHARACTERS = 200
MAX_DEPTH = 20
_TOKEN = re.compile(r"\s*(?:(\d{1,30}(?:\.\d{1,30})?)|([-+*/()]))", re.ASCII)


class ExpressionError(TrainerError):
    """The text isn't arithmetic, or has no value."""


def evaluate(text: str) -> Fraction:
    """Computes the value of an expression.

    Raises:
        ExpressionError: it can't be read, is too long, or divides by zero.
    """
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"an expression has at most {MAX_CHARACTERS} characters")
    parser = _Parser(_tokens(text.strip()))
    value = parser.sum(0)
    if parser.rest:
        raise ExpressionError(f"unexpected {parser.rest[0]!r}")
    return value


def written(value: Fraction) -> str:
    """Writes a value as people do: `4371`, `-0.5`, or `1/3` where decimals wouldn't end."""
    if value.denominator == 1:
        return str(value.numerator)
    rest, places = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest, count = rest // prime, count + 1
        places = max(places, count)
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ExpressionError(f"unexpected {text[at]!r}; only numbers, + - * / and brackets are known")
        tokens.append(found[1] or found[2])
        at = found.end()
    return tokens


class _Parser:
    """Parses tokens by recursive descent, from the left."""

    def __init__(self, tokens: list[str]) -> None:
        self.rest = tokens

    def sum(self, depth: int) -> Fraction:
        if depth > MAX_DEPTH:
            raise ExpressionError("too many brackets and signs")
        value = self._product(depth)
        while self.rest and self.rest[0] in "+-":
            if self.rest.pop(0) == "+":
                value += self._product(depth)
            else:
                value -= self._product(depth)
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._signed(depth)
        while self.rest and self.rest[0] in "*/":
            if self.rest.pop(0) == "*":
                value *= self._signed(depth)
                continue
            divisor = self._signed(depth)
            if divisor == 0:
                raise ExpressionError("division by zero")
            value /= divisor
        return value

    def _signed(self, depth: int) -> Fraction:
        if not self.rest:
            raise ExpressionError("the expression ends too early")
        symbol = self.rest.pop(0)
        if symbol in "+-":
            if depth > MAX_DEPTH:
                raise ExpressionError("too many brackets and signs")
            value = self._signed(depth + 1)
            return -value if symbol == "-" else value
        if symbol == "(":
            value = self.sum(depth + 1)
            if not self.rest or self.rest.pop(0) != ")":
                raise ExpressionError("a bracket isn't closed")
            return value
        if symbol in "*/)":
            raise ExpressionError(f"unexpected {symbol!r}")
        return Fraction(symbol)
