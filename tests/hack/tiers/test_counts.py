"""A tier's count refuses what would look like success: nothing run, a skip, an xfail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hack.tiers.counts import Count, read_report


def _report(folder: Path, source: str) -> Count:
    module = folder / "test_planted.py"
    module.write_text(source)
    report = folder / "report.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(module)],
        cwd=folder,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        check=False,
    )
    return read_report(report, passed=done.returncode == 0)


def test_a_passed_test_counts_under_its_module_and_name(tmp_path: Path) -> None:
    """Parametrised cases count one by one and share one name."""
    source = "import pytest\n@pytest.mark.parametrize('x', [1, 2])\ndef test_a(x): pass\ndef test_b(): pass\n"
    count = _report(tmp_path, source)
    assert (count.passed, count.failed, count.skipped, count.good) == (3, 0, 0, True)
    assert count.names == {"test_planted::test_a", "test_planted::test_b"}


def test_a_skip_and_an_expected_failure_are_refused(tmp_path: Path) -> None:
    """Neither counts as passed; the tier isn't good."""
    marks = ("skip(reason='later')", "xfail(reason='known')")
    for mark in marks:
        source = f"import pytest\n@pytest.mark.{mark}\ndef test_a(): assert False\ndef test_b(): pass\n"
        count = _report(tmp_path, source)
        assert (count.passed, count.skipped, count.good) == (1, 1, False)


def test_a_run_without_tests_or_with_a_broken_module_is_refused(tmp_path: Path) -> None:
    """An empty selection, a module that can't be imported and an absent report are failures."""
    assert not _report(tmp_path, "").good
    assert not _report(tmp_path, "import absent_module\n").good
    assert not read_report(tmp_path / "absent.xml", passed=True).good


def test_both_parts_of_a_tier_must_be_good() -> None:
    """Numbers and names add up; a part that failed, or of which nothing ran, is a failure of the tier."""
    part, other = Count(2, names=frozenset({"a::b"})), Count(1, names=frozenset({"c::d"}))
    assert part.plus(other) == Count(3, names=frozenset({"a::b", "c::d"}))
    assert not part.plus(Count(1, failed=1)).good
    assert not part.plus(Count(1, skipped=1)).good
    nothing_ran = Count(failed=1)
    assert not part.plus(nothing_ran).good
