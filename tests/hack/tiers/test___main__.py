"""Every test is of one tier, and every end-to-end test is required."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from hack.tiers.__main__ import SELECTIONS, TIERS
from hack.tiers.counts import Count, read_report, required_end_to_end

ROOT = Path(__file__).parents[3]


def _report(folder: Path, source: str) -> Count:
    module = folder / "test_planted.py"
    module.write_text(source)
    report = folder / "report.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(module)],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return read_report(report, passed=done.returncode == 0)


def _selected(folder: Path) -> dict[str, set[str]]:
    """Names of the planted tests that each tier's marker expression selects."""
    script = (
        f"import pytest\nfor tier, selection in {SELECTIONS!r}.items():\n    print('==', tier, flush=True)\n"
        "    pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', '-m', selection])\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    blocks = (block.splitlines() for block in shown.split("== ")[1:])
    return {tier: {line.partition("::")[2] for line in lines if "::" in line} for tier, *lines in blocks}


def test_a_nightly_test_is_of_no_other_tier_and_every_other_test_of_one(tmp_path: Path) -> None:
    """Whatever other markers it carries; a test without a marker is a unit test."""
    marks = ["integration", "learning", "e2e"]
    planted = ["import pytest\ndef test_unit(): pass\n@pytest.mark.nightly\ndef test_nightly(): pass\n"]
    for mark in marks:
        planted.append(f"@pytest.mark.{mark}\ndef test_{mark}(): pass\n")
        planted.append(f"@pytest.mark.nightly\n@pytest.mark.{mark}\ndef test_nightly_{mark}(): pass\n")
    (tmp_path / "test_planted.py").write_text("".join(planted))
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nmarkers =\n" + "".join(f"    {mark}\n" for mark in [*marks, "nightly"])
    )
    found = _selected(tmp_path)
    assert {tier: names for tier, names in found.items() if tier != "nightly"} == {
        tier: {f"test_{tier}"} for tier in ("unit", *marks)
    }
    assert found["nightly"] == {"test_nightly", *(f"test_nightly_{mark}" for mark in marks)}


def test_the_commands_run_their_tiers() -> None:
    """`make test` runs every tier but the nightly one, `make test-nightly` that one alone."""
    makefile = (ROOT / "Makefile").read_text()
    ran = dict(re.findall(r"^(test[a-z-]*):.*\n\t@\$\(RUN\) -m hack\.tiers (.*)$", makefile, re.MULTILINE))
    assert [*ran["test"].split(), "nightly"] == list(TIERS)
    assert ran["test-nightly"] == "nightly"
    assert "nightly" not in ran["test-fast"]


def test_every_required_end_to_end_test_exists() -> None:
    """The list names only tests that are there, and every test that is there is in the list."""
    # Importing the rest, torch and all, would take half a minute.
    marked = [str(path) for path in (ROOT / "tests").rglob("test_*.py") if "mark.e2e" in path.read_text()]
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "e2e", "-p", "no:cacheprovider", *marked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    there = {
        f"{module.removeprefix('tests/').removesuffix('.py').replace('/', '.')}::{test.split('[')[0]}"
        for line in collected.splitlines()
        if "::" in line
        for module, _, test in [line.partition("::")]
    }
    assert required_end_to_end(ROOT / "tests/e2e/required.txt") == there
