"""Names the changes that no test can notice, and why: what runs is the same, or differs only in the words of a text.

A change is named by its module and the changed lines; one whose code has moved on names nothing any more, and counts
for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_STRICT: Final = re.compile(r"strict=(None|False)\)")

CHANGES: Final[Mapping[str, Mapping[str, str]]] = {}
"""By module, then by changed line: why it is equivalent."""


def reason(module: str, change: str) -> str | None:
    """Why no test can notice this change; None where one could."""
    if _STRICT.search(change):
        return "the lengths of what is paired are equal wherever it is called"
    return CHANGES.get(module, {}).get(change)
