"""Text that people will read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard_trainer.readable import is_writable, one_line, readable

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("4371", "4371"),
        ("Grüße 🚂", "Grüße 🚂"),
        ("\ud83d", "\ufffd"),
        ("a\udc00b", "a\ufffdb"),
        ("\ud83d\ude82", "🚂"),
        ("a\x00b", "a\ufffdb"),
        ("\ud83d\x00", "\ufffd\ufffd"),
        ("", ""),
    ],
)
def test_what_no_ledger_holds_is_replaced(text: str, shown: str) -> None:
    """Halves of pairs and NUL become U+FFFD; all else stays as it is."""
    assert readable(text) == shown


@given(ANY_TEXT)
def test_every_text_becomes_readable_once(text: str) -> None:
    """The result can be encoded, holds no NUL, and is its own readable form; a writable text is changed by NUL only."""
    shown = readable(text)
    assert is_writable(shown)
    assert "\x00" not in shown
    assert readable(shown) == shown
    if is_writable(text):
        assert shown == text.replace("\x00", "\ufffd")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb", "a b"),
        (" a\r\n\tb ", "a b"),
        ("\x1b[31mred", "[31mred"),
        ("a\u2028b", "a b"),
        ("Grüße 🚂", "Grüße 🚂"),
        ("", ""),
    ],
)
def test_a_foreign_errors_text_is_one_line(text: str, line: str) -> None:
    """Nothing in it breaks a log, or is obeyed by a terminal."""
    assert one_line(text) == line
