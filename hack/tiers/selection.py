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


FIRST: Final = (
    # integration
    "tests/trainyard_operator/trainingjob/test_stops_integration.py",
    "tests/trainyard_operator/",
    "tests/chart/test_admission_life.py",
    "tests/claims/test_local_runs_take_what_kubectl_takes.py",
    # learning
    "tests/claims/test_heeds_a_stop_everywhere.py",
    "tests/claims/test_resumes_exactly.py",
    "tests/claims/test_learns_calculator.py",
    "tests/claims/test_documented_commands.py",
    "tests/claims/test_a_stop_needs_no_database.py",
    # e2e
    "tests/e2e/test_learning.py",
    "tests/e2e/test_pods_are_replaced.py",
    "tests/e2e/test_bad_input.py",
    "tests/e2e/test_idle_writes.py",
    "tests/e2e/test_private_image.py",
    "tests/e2e/test_own_code_and_data.py",
)
"""What takes longest, or waits most, begins first, in this order, and others fill the time."""


def files_of(tier: str, root: Path) -> list[str]:
    """Lists the test modules below `root/tests` that name the tier's marker, in the order in which they are to begin.

    Tests of the first tier have no marker: for it the list is empty, which pytest takes for all. Every process of a
    tier imports its files; all of them, with torch and TRL, would take each half a minute.
    """
    if tier == "unit":
        return []
    paths = [path for path in (root / "tests").rglob("test_*.py") if f"mark.{tier}" in path.read_text(encoding="utf-8")]
    return sorted((path.relative_to(root).as_posix() for path in paths), key=_turn)


def _turn(module: str) -> tuple[int, str]:
    return next((turn for turn, begin in enumerate(FIRST) if module.startswith(begin)), len(FIRST)), module
