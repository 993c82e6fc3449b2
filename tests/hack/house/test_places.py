"""Definitions that name something are counted, and words about it aren't."""

from __future__ import annotations

from hack.house.places import places

TEXT = '''
NAMES = ["gap", "loss"]
class Outcome:
    """Holds the gap."""
    gap: float
    def merged(self):
        return Outcome(gap=1)
    def other(self):
        # gap
        return "the gap"
def read(outcome):
    return outcome.gap
'''


def test_each_definition_counts_once(plant) -> None:
    """Finds identifiers, attributes, keywords and whole strings, but no docstring, comment or part of a text."""
    found = places(plant({"a.py": TEXT}).modules, "gap")
    assert [place.rpartition(":")[2] for place in found] == ["line 2", "Outcome", "Outcome.merged", "read"]
