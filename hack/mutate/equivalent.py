"""Names the changes that no test can notice, and why: what runs is the same, or differs only in the words of a text.

A change is named by its module and the changed lines; one whose code has moved on names nothing any more, and counts
for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_STRICT: Final = re.compile(r"strict=(None|False)\)|\bzip\(.*, \)")
_WORDING: Final = re.compile(r'"XX[^"]* [^"]*XX"|"[^"a-z]*[A-Z][^"a-z]* [^"a-z]*"')
"""A text of several words between marks, or in capitals."""

CHANGES: Final[Mapping[str, Mapping[str, str]]] = {}
"""By module, then by changed line: why it is equivalent."""


def reason(module: str, change: str) -> str | None:
    """Why no test can notice this change; None where one could."""
    if _STRICT.search(change):
        return "what is paired has equal lengths wherever it is called"
    if _WORDING.search(change):
        return "the wording of a text"
    return CHANGES.get(module, {}).get(change)
