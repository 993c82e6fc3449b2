"""Mutants are made in a copy of the tree that mutmut can read."""

from __future__ import annotations

import tomllib
from pathlib import Path

from hack.mutate.tree import MUTATED, PACKAGE, ROOT, SLOW, TESTS, UNTOUCHED, make_tree, settings


def test_the_copy_has_the_package_at_its_root_and_one_table_of_settings(tmp_path: Path) -> None:
    """With the project's own settings of pytest; what was there before is gone."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/old").touch()
    make_tree(tmp_path / "tree")
    assert {path.name for path in (tmp_path / "tree").iterdir()} == {PACKAGE, "tests", "hack", "pyproject.toml"}
    project = tomllib.loads((tmp_path / "tree/pyproject.toml").read_text())
    assert project["tool"]["mutmut"]["source_paths"] == [PACKAGE]
    assert project["tool"]["pytest"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
    assert (tmp_path / "tree" / PACKAGE / "algorithms/losses.py").is_file()


def test_everything_that_settings_name_is_there() -> None:
    """Modules, tests and slow tests: a name that has moved on would silently choose nothing."""
    package, tests = ROOT / "trainer_image" / PACKAGE, ROOT / "tests" / PACKAGE
    assert all(list(package.glob(pattern)) for pattern in MUTATED)
    assert all((tests / name).exists() for name in TESTS)
    for name in SLOW:
        file, _, function = name.partition("::")
        assert f"def {function}(" in (tests / file).read_text()


def test_patterns_survive_the_settings_table() -> None:
    """Backslashes and quotes of a pattern reach mutmut as they are."""
    assert tomllib.loads(settings())["tool"]["mutmut"]["do_not_mutate_patterns"] == list(UNTOUCHED)
