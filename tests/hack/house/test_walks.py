"""The walks lead through this checkout."""

from __future__ import annotations

from hack.house.checkout import Checkout
from hack.house.reader import Reader
from hack.house.report import walks
from hack.house.symbols import read
from hack.house.walks import NUMBERS, WALKS


def test_every_walk_has_a_way(here: Checkout) -> None:
    """Reaches all exits, and finds each number: a definition that moved is followed here."""
    lines = list(walks(here, Reader(read(here.modules))))
    assert [line for line in lines if line.startswith("\n")] == [
        f"\n{each.name}: {each.asks}" for each in WALKS + NUMBERS
    ]
    assert not any("  0 " in line for line in lines)
