"""Lengths and mirrored tests are counted as a person would."""

from __future__ import annotations

import pytest

from hack.house.sizes import Sizes, file_lengths, function_lengths, mirrors, sizes


def test_sizes_are_the_middle_the_ninetieth_and_the_largest() -> None:
    """Takes lengths that exist, never one between two."""
    lengths = [(length, f"f{length}") for length in range(1, 11)]
    assert sizes(lengths, largest=2) == Sizes(10, 5, 9, [(10, "f10"), (9, "f9")])
    assert sizes([(7, "only")]) == Sizes(1, 7, 7, [(7, "only")])
    with pytest.raises(ValueError, match="at least one"):
        sizes([])


def test_docstrings_are_not_the_length_of_a_function(plant) -> None:
    """Counts a function's lines without its docstring, and leaves empty files out."""
    text = 'def said():\n    """Tells\n    more.\n    """\n    return 1\n'
    modules = plant({"room/thing.py": text}).modules
    assert function_lengths(modules) == [(2, "trainer_image/trainyard_trainer/room/thing.py:said")]
    assert file_lengths(modules) == [(5, "trainer_image/trainyard_trainer/room/thing.py")]


def test_a_test_module_mirrors_name_and_folder(plant) -> None:
    """Tells a test module in another folder from none, and asks none of a short module."""
    long = "x = 1\n" * 21
    checkout = plant({"room/here.py": long, "room/moved.py": long, "room/bare.py": long, "room/short.py": "x = 1\n"})
    tests = checkout.root / "tests" / "trainyard_trainer"
    (tests / "room").mkdir(parents=True)
    (tests / "room" / "test_here.py").touch()
    (tests / "test_moved.py").touch()
    found = mirrors(checkout.root, "trainyard_trainer", checkout.modules)
    room = "trainer_image/trainyard_trainer/room"
    assert (found.count, found.missing) == (3, [f"{room}/bare.py", f"{room}/moved.py"])
    assert found.misplaced == [f"{room}/moved.py"]
    assert found.share == pytest.approx(1 / 3)
