"""What a tier's run amounts to, read from pytest's own report. Pure but for reading the report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree as ET


@dataclass(frozen=True)
class Count:
    """Tests of a tier; `names` are those that passed, as module::test without parameters, the module below `tests`."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    names: frozenset[str] = field(default_factory=frozenset)

    @property
    def good(self) -> bool:
        """Says whether something ran, all of it passed, and nothing was skipped, xfailed or left out."""
        return self.passed > 0 and self.failed == 0 and self.skipped == 0

    def plus(self, other: Count) -> Count:
        """Returns the count of both parts of a tier."""
        passed, failed, skipped = self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        return Count(passed, failed, skipped, self.names | other.names)

    def with_failures(self, more: int) -> Count:
        """Returns the same count with `more` failures."""
        return replace(self, failed=self.failed + more)


def read_report(report: Path, *, passed: bool) -> Count:
    """Counts a JUnit report; a run without a report, or that failed outside a test, counts as one failure."""
    if not report.exists():
        return Count(failed=1)
    names, failed, skipped = [], 0, 0
    for case in ET.parse(report).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1  # pytest reports xfail as skipped, too
        else:
            names.append(f"{case.get('classname', '').removeprefix('tests.')}::{case.get('name', '').split('[')[0]}")
    if not passed and not failed:
        failed = 1
    return Count(len(names), failed, skipped, frozenset(names))


def required_end_to_end(listing: Path) -> set[str]:
    """Reads the tests that must have run: one `module::test` a line, `#` begins a comment."""
    lines = (line.split("#")[0].strip() for line in listing.read_text().splitlines())
    return {line for line in lines if line}
