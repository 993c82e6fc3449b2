"""The commands print what they measure, of this checkout or another."""

from __future__ import annotations

import pytest

from hack.house.__main__ import main

T = "trainyard_trainer"
FILES = {"a/one.py": f"from {T}.b.two import g\ndef f():\n    g()\n", "b/two.py": "def g():\n    return 1\n"}


def printed(capsys: pytest.CaptureFixture[str], checkout, *command: str) -> str:
    """Returns what a command prints about a planted checkout."""
    assert main(["--root", str(checkout.root), *command]) == 0
    return capsys.readouterr().out


def test_each_command_measures_another_checkout(plant, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints circles and sizes, files to open, and places of the checkout that is named."""
    checkout = plant(FILES)
    structure = printed(capsys, checkout)
    assert f"{T}: 5 modules" in structure
    assert "circles of folders: 0" in structure
    assert "hack" not in structure
    assert "2 files" in printed(capsys, checkout, "hops", f"{T}.a.one:f", f"{T}.b.two:g")
    assert "two.py:g" in printed(capsys, checkout, "places", "g")


def test_a_way_that_does_not_exist_ends_with_1(plant, capsys: pytest.CaptureFixture[str]) -> None:
    """Says on stderr which exit it was."""
    checkout = plant(FILES)
    assert main(["--root", str(checkout.root), "hops", f"{T}.b.two:g", f"{T}.a.one:f"]) == 1
    assert "a.one:f: must be reached" in capsys.readouterr().err
