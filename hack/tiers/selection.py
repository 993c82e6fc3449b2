"""Says which tests a tier has, and in which files they are. Pure but for reading the files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SELECTIONS: Final = {
    "unit": "not (integration or learning or e2e or nightly)",
    "integration": "integration and not nightly",
    "learning": "learning and not nightly",
    "e2e": "e2e and not nightly",
    "nightly": "nightly",
}
"""Marker expressions; every test is in one tier at least, and what is nightly in no other."""


WAITING: Final = "trainyard_operator"
"""Folder of the tests that wait most: they begin first, and others fill the time."""


def files_of(tier: str, root: Path) -> list[str]:
    """Lists the test modules below `root/tests` that name the tier's marker, in the order in which they are to begin.

    Tests of the first tier have no marker: for it the list is empty, which pytest takes for all. Every process of a
    tier imports its files; all of them, with torch and TRL, would take each half a minute.
    """
    if tier == "unit":
        return []
    modules = sorted((root / "tests").rglob("test_*.py"), key=lambda path: (WAITING not in path.parts, path))
    return [str(path.relative_to(root)) for path in modules if f"mark.{tier}" in path.read_text(encoding="utf-8")]
