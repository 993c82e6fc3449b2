"""Mutants are made in a copy of the tree that mutmut can read."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hack.mutate.tree import ROOT, SCOPES, UNTOUCHED, Scope, make_tree, settings

EACH = pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)


@EACH
def test_the_copy_has_the_package_at_its_root_and_one_table_of_settings(tmp_path: Path, scope: Scope) -> None:
    """With the project's own settings of pytest; what was there before is gone."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/old").touch()
    make_tree(tmp_path / "tree", scope)
    made = {path.name for path in (tmp_path / "tree").iterdir()}
    assert made == {scope.package, "tests", "hack", "pyproject.toml"}
    project = tomllib.loads((tmp_path / "tree/pyproject.toml").read_text())
    assert project["tool"]["mutmut"]["source_paths"] == [scope.package]
    assert project["tool"]["pytest"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
    assert all(list((tmp_path / "tree").glob(pattern)) for pattern in project["tool"]["mutmut"]["only_mutate"])


@EACH
def test_everything_that_settings_name_is_there(scope: Scope) -> None:
    """Modules, tests and slow tests: a name that has moved on would silently choose nothing."""
    package, tests = ROOT / scope.folder / scope.package, ROOT / "tests"
    assert all(list(package.glob(pattern)) for pattern in scope.mutated)
    assert all((tests / name).exists() for name in scope.tests)
    for name in scope.slow:
        file, _, function = name.partition("::")
        assert f"def {function}(" in (tests / file).read_text()


@EACH
def test_patterns_survive_the_settings_table(scope: Scope) -> None:
    """Backslashes and quotes of a pattern reach mutmut as they are."""
    assert tomllib.loads(settings(scope))["tool"]["mutmut"]["do_not_mutate_patterns"] == list(UNTOUCHED)
