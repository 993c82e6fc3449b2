"""A change is excused only for what it is named for."""

from __future__ import annotations

import pytest

from hack.mutate.equivalent import CHANGES, reason
from hack.mutate.tree import ROOT, SCOPES


@pytest.mark.parametrize(
    ("change", "excused"),
    [
        ('return field, "XXthe weights aren\'t finiteXX"', True),
        ('found = "THE WEIGHTS AREN\'T FINITE"', True),
        ('log.warning("%s: %s", None, error)', True),
        ('told = log.warning("%s: %s", None, error)', False),
        ('watch.lap("XXrewardXX")', False),
        ('watch.lap("REWARD")', False),
        ("for one, other in zip(ones, others, strict=None):", True),
        ("for one, other in zip(ones, others, ):", True),
        ("for one, other in zip(ones, None, strict=True):", False),
        ("score(ones, )", False),
    ],
)
def test_wording_and_checks_of_lengths_are_excused_everywhere(change: str, excused: bool) -> None:
    """A name of one word isn't wording: others read it."""
    assert (reason("algorithms.any", change) is not None) is excused


def test_other_changes_are_excused_in_their_module_alone() -> None:
    """And every module that is named exists."""
    for module, changes in CHANGES.items():
        file = f"{module.replace('.', '/')}.py"
        assert any((ROOT / scope.folder / scope.package / file).is_file() for scope in SCOPES.values())
        assert all(reason(module, change) == why for change, why in changes.items())
        assert all(reason("elsewhere", change) is None for change in changes)
