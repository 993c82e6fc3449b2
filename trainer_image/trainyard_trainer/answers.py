"""When two answers are the same, and which number a text is or ends with: one reading for verdicts and rewards.

Place in the data's way: stations 5 and 6. Pure. A person must be able to predict it: texts are compared as they are
read, numbers by their value, and only a whole word is a number.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import Final

MAX_CHARACTERS: Final = 100
"""Most characters of a number."""
MAX_EXPONENT: Final = 300
_NUMBER: Final = re.compile(
    r"([+-]?)(?:(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d{1,3}))?(?:/([1-9]\d*))?", re.ASCII
)
_WORD: Final = re.compile(r"[\w.,/:+\-\u2212\u2013^%°]+")
"""Whatever may stand beside a digit and change what it means; other signs part words."""
_JOINED: Final = re.compile(r"(?<=\d)\s*\\?([/%])\s*(?=\d|(?<=%))")
"""A stroke or a per cent sign with blanks around it."""
_FRACTION: Final = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
"""A fraction in LaTeX."""
_LABEL: Final = re.compile(r"(?<!\d):")


def canonical(text: str) -> str:
    """Normalises a text for comparison: Unicode's NFC, without white space around it.

    What a reader can't tell apart is the same: an accent written as one character or as two, a blank at the end. Not
    NFKC and no change of case, which change what is said (`2` and `²`, `b` and `B`).
    """
    return unicodedata.normalize("NFC", text).strip()


def same_answer(answer: str | None, expected: str) -> bool:
    """Says whether an answer reads the same as the expected one; None never does."""
    return answer is not None and canonical(answer) == canonical(expected)


def number_of(text: str) -> Fraction | None:
    """Reads a text as a number, ignoring white space around it; None for any other text.

    A sign, digits with or without commas between thousands, decimals, an exponent of ten, or a fraction: `-1,234.5`,
    `.5`, `1e3`, `1/3`.
    """
    word = text.strip().replace("\u2212", "-")
    found = _NUMBER.fullmatch(word) if len(word) <= MAX_CHARACTERS else None
    if found is None:
        return None
    sign, whole, decimals, only_decimals, exponent, divisor = found.groups()
    power = int(exponent or 0)
    if abs(power) > MAX_EXPONENT or (divisor and (decimals is not None or only_decimals or exponent)):
        return None
    digits = f"{(whole or '0').replace(',', '')}.{decimals or only_decimals or '0'}"
    value = Fraction(digits) * Fraction(10) ** power / int(divisor or 1)
    return -value if sign == "-" else value


def equals(answer: str | None, result: str) -> bool:
    """Says whether an answer equals a result, as a text or by value."""
    if same_answer(answer, result):
        return True
    value = None if answer is None else number_of(answer)
    return value is not None and value == number_of(result)


def last_number(text: str) -> Fraction | None:
    r"""Reads the last word with a digit as a number; None where that word is none, such as a date or `5%`.

    The full stop or comma behind a word, the colon of a label before it and marks of emphasis around it are no part of
    it. `1 / 3` and `\frac{1}{3}` are words.
    """
    words = _WORD.findall(_LABEL.sub(" ", _JOINED.sub(r"\1", _FRACTION.sub(r"\1/\2", text))))
    last = next((word for word in reversed(words) if any(map(str.isdigit, word))), "")
    return number_of(last.rstrip(".,:").strip("_"))


def is_ambiguous(expected: str) -> bool:
    """Says whether an expected answer has digits but is no number, so that nobody can say which part counts."""
    return number_of(expected) is None and any(char.isdigit() for char in expected)
