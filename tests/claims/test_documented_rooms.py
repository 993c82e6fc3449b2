"""Every room of the three packages has its row on the architecture page, and every room that a station names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.claims.test_documented_places import Place, places

ROOT = Path(__file__).parents[2]
PAGE = "docs/architecture.md"
LINES = (ROOT / PAGE).read_text().splitlines()
PACKAGES = {
    "api": "crds/trainyard_api",
    "operator": "operator/trainyard_operator",
    "trainer": "trainer_image/trainyard_trainer",
}
ROOMS = sorted(
    str(room.parent.relative_to(ROOT))
    for package in PACKAGES.values()
    for room in (ROOT / package).rglob("__init__.py")
)


def in_a_row(place: Place) -> bool:
    """Whether a place is named in a row of a table."""
    return LINES[place.line - 1].startswith("|")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_its_row(room: str) -> None:
    """A row names the folder, or a file that lies right in it."""
    named = {path.resolve() for place in places(PAGE) if in_a_row(place) for path in place.found()}
    folder = (ROOT / room).resolve()
    assert folder in named or any(path.parent == folder and path.is_file() for path in named), room


def test_rooms_of_the_stations_exist() -> None:
    """The last column of the twelve stations: `package: room, room; package: room`."""
    stations = [line for line in LINES if re.match(r"\| \d+ \|", line)]
    assert [int(line.split("|")[1]) for line in stations] == list(range(1, 13))
    missing = []
    for line in stations:
        for part in line.rstrip(" |").rpartition("|")[2].split(";"):
            package, _, rooms = (text.strip() for text in part.partition(":"))
            names = [name.strip() for name in rooms.split(",")] if rooms else ["."]
            missing += [f"{package}: {name}" for name in names if not (ROOT / PACKAGES[package] / name).is_dir()]
    assert missing == []
