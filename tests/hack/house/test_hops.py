"""The files to open are counted along ways that exist."""

from __future__ import annotations

import pytest

from hack.house.hops import NoWayError, files_to_open

T = "trainyard_trainer"
FILES = {
    "loop.py": f"from {T}.long import a\nfrom {T}.short import s\ndef train():\n    a()\n    s()\n",
    "long.py": f"from {T}.longer import b\ndef a():\n    b()\n",
    "longer.py": f"from {T}.end import exit\ndef b():\n    exit()\n",
    "short.py": f"from {T}.end import exit, second\ndef s():\n    t()\ndef t():\n    exit()\n    second()\n",
    "end.py": "def exit(): pass\ndef second(): pass\ndef hidden(): pass\n",
}


def opened(reader, *exits: str) -> list[str]:
    """Returns the names of the files that are opened from the loop on."""
    found = files_to_open(reader(FILES), f"{T}.loop:train", [f"{T}.{exit_}" for exit_ in exits])
    return [file.rpartition("/")[2] for file in found]


def test_the_shortest_way_counts_files_and_not_definitions(reader) -> None:
    """Goes through two definitions of one file rather than through two files."""
    assert opened(reader, "end:exit") == ["loop.py", "short.py", "end.py"]


def test_a_file_that_is_open_costs_nothing(reader) -> None:
    """Opens no more for a second exit beside the first, and what is new for a third."""
    assert opened(reader, "end:exit", "end:second") == opened(reader, "end:exit")
    assert opened(reader, "longer:b", "end:exit") == ["loop.py", "long.py", "longer.py", "end.py"]


def test_a_way_that_does_not_exist_is_an_error(reader) -> None:
    """Names the exit: one that nothing names, and one that isn't there."""
    with pytest.raises(NoWayError, match=r"end:hidden: must be reached from .*loop:train"):
        opened(reader, "end:hidden")
    with pytest.raises(NoWayError, match="end:gone: must be defined"):
        opened(reader, "end:gone")
