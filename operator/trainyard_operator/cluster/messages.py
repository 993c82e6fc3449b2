"""How errors read: the field, the rule and why, the value.

Place in the data's way: station 11. Values come from users and from pods, so they are quoted and bounded here. Pure.
"""

from __future__ import annotations

import json
from typing import Final

MAX_MESSAGE: Final = 1024
"""What a condition's message may hold."""
_MAX_EVENT_NOTE: Final = 1000


def at_field(path: str, rule: str, value: str) -> str:
    """Writes `<path>: <rule>; got "<value>"`, with control characters of the value escaped."""
    return bounded(f"{path}: {rule}; got {json.dumps(value, ensure_ascii=False)}")


def bounded(text: str, limit: int = MAX_MESSAGE) -> str:
    """Cuts a text where it is longer than the API takes."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def event_note(text: str) -> str:
    """Cuts a text to what an event takes, 1,000 bytes."""
    cut = text
    while len(cut.encode()) > _MAX_EVENT_NOTE:
        cut = cut[: len(cut) - 16]
    return cut
