"""Every module of a checkout is found under its dotted name."""

from __future__ import annotations

from hack.house.checkout import FOLDERS, Checkout


def test_this_checkout_has_all_packages(here: Checkout) -> None:
    """Finds each package, and this one's own module in it."""
    assert here.packages.keys() == FOLDERS.keys()
    assert "hack.house.checkout" in {module.name for module in here.packages["hack"]}
    assert not any(module.name.startswith("hack") for module in here.product)


def test_a_folder_s_own_module_has_the_folder_s_name(plant) -> None:
    """Drops `__init__`, and counts lines and functions."""
    checkout = plant({"room/thing.py": "def a():\n    def b():\n        pass\n"})
    found = {module.name: module for module in checkout.modules}
    assert found.keys() == {"trainyard_trainer", "trainyard_trainer.room", "trainyard_trainer.room.thing"}
    thing = found["trainyard_trainer.room.thing"]
    assert (thing.path, thing.lines) == ("trainer_image/trainyard_trainer/room/thing.py", 3)
    assert [function.name for function in thing.functions] == ["a", "b"]
