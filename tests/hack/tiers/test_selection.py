"""Every test is of a tier, and each tier's tests are in the files that it imports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from hack.tiers.selection import FIRST, SELECTIONS, files_of

TESTS = Path(__file__).parents[2]


def _selected(folder: Path) -> dict[str, set[str]]:
    """Names of the planted tests that each tier's marker expression selects."""
    script = (
        f"import pytest\nfor tier, selection in {SELECTIONS!r}.items():\n    print('==', tier, flush=True)\n"
        "    pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', '-m', selection])\n"
    )
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    shown = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=True
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


def test_a_tiers_files_are_those_that_name_its_marker(tmp_path: Path) -> None:
    """Wherever they lie, the longest first; a file may be of several tiers, and what is no test module of none."""
    for name, text in {
        "tests/test_plain.py": "",
        "tests/room/test_slow.py": "pytestmark = pytest.mark.learning\n",
        "tests/test_both.py": "@pytest.mark.e2e\n@pytest.mark.learning\n",
        "tests/trainyard_operator/test_waits.py": "pytestmark = pytest.mark.learning\n",
        "tests/helping.py": "pytest.mark.e2e\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    waits, *others = files_of("learning", tmp_path)
    assert waits == "tests/trainyard_operator/test_waits.py"
    assert others == ["tests/room/test_slow.py", "tests/test_both.py"]
    assert files_of("e2e", tmp_path) == ["tests/test_both.py"]
    assert files_of("unit", tmp_path) == []


def test_what_begins_first_exists() -> None:
    """A file that was renamed or is gone would silently begin late."""
    assert [begin for begin in FIRST if not (TESTS.parent / begin).exists()] == []


def test_only_end_to_end_tests_are_alone() -> None:
    """The other tiers have no part that runs when the rest is done."""
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text()
        assert (
            "pytest.mark.alone" not in text or "pytest.mark.e2e, pytest.mark.alone]" in text or path == Path(__file__)
        )


def test_markers_stand_in_the_files_of_their_tests() -> None:
    """No hook or import gives a test a marker that its own file doesn't name: it would be in no tier."""
    elsewhere = re.compile(r"add_marker|pytest_collection_modifyitems|import .*pytestmark|getattr\(pytest\.mark")
    for path in TESTS.rglob("*.py"):
        text = path.read_text()
        if path.name != Path(__file__).name:
            assert not elsewhere.search(text), path
        if not path.name.startswith("test_"):
            assert not re.search(r"mark\.(integration|learning|e2e|nightly)", text), path
