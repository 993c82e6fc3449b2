"""Circles of folders are found, and nothing else is called one."""

from __future__ import annotations

from hack.house.circles import by_folder, circles, imports_of

TRAINER = "trainyard_trainer"


def found(checkout) -> list[list[str]]:
    """Returns the circles of a planted trainer."""
    return circles(by_folder(imports_of(checkout.root, TRAINER), TRAINER))


def test_folders_that_import_each_other_are_a_circle(plant) -> None:
    """Counts a circle over three nodes, of which one is a module of the package's own folder."""
    files = {
        "a/one.py": "from trainyard_trainer.b import two\n",
        "b/two.py": "def later():\n    from trainyard_trainer import top\n",
        "top.py": "import trainyard_trainer.a.other\n",
        "a/other.py": "",
        "c/alone.py": "from trainyard_trainer.a.one import two\n",
    }
    assert found(plant(files)) == [[f"{TRAINER}.a", f"{TRAINER}.b", f"{TRAINER}.top"]]


def test_imports_for_type_checking_count(plant) -> None:
    """Finds the circle that only annotations close."""
    only_types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from trainyard_trainer.b import two\n"
    files = {"a/one.py": only_types, "b/two.py": "from trainyard_trainer.a import one\n"}
    assert found(plant(files)) == [[f"{TRAINER}.a", f"{TRAINER}.b"]]


def test_modules_of_one_folder_may_import_each_other(plant) -> None:
    """Finds no circle of folders where both modules lie in the same one."""
    files = {"a/one.py": "from trainyard_trainer.a import two\n", "a/two.py": "from trainyard_trainer.a import one\n"}
    assert found(plant(files)) == []


def test_a_folder_inside_another_is_a_node_of_its_own(plant) -> None:
    """Finds a room and its inner room that import each other."""
    files = {
        "a/__init__.py": "",
        "a/one.py": "from trainyard_trainer.a.inner import two\n",
        "a/inner/two.py": "from trainyard_trainer.a import one\n",
    }
    assert found(plant(files)) == [[f"{TRAINER}.a", f"{TRAINER}.a.inner"]]
