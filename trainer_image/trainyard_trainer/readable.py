"""Text that people will read, whatever wrote it: a policy, an environment, a user's error.

Place in the data's way: stations 5 to 11, wherever a text leaves its maker for a ledger, a log or a status. Pure. The
token ids keep the truth of what was sampled; texts are for people.
"""

from __future__ import annotations

from typing import Final

REPLACEMENT: Final = "\ufffd"


def readable(text: str) -> str:
    """Makes a text one that every ledger and terminal can hold.

    Halves of surrogate pairs, which no encoding has, and NUL, which Postgres hasn't, become U+FFFD each. Two halves
    that make a pair become its character.
    """
    if text.isascii() and "\x00" not in text:
        return text
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\x00", REPLACEMENT)


def one_line(text: str) -> str:
    """Makes a text readable in one line; line breaks and control characters become a blank."""
    parts = "".join(char if char.isprintable() else "\n" for char in readable(text)).split("\n")
    return " ".join(part.strip() for part in parts if part.strip())


def is_writable(text: str) -> bool:
    """Says whether UTF-8, and so every tokenizer, can hold the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
