"""Plants small checkouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hack.house.checkout import Checkout
from hack.house.reader import Reader
from hack.house.symbols import read

Plant = Callable[[dict[str, str]], Checkout]


@pytest.fixture(scope="session")
def here() -> Checkout:
    """This checkout, parsed once."""
    return Checkout()


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Writes the modules of a trainer, by their paths below its package."""

    def write(files: dict[str, str]) -> Checkout:
        package = tmp_path / "trainer_image" / "trainyard_trainer"
        for path, text in {"__init__.py": "", **files}.items():
            target = package / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            if target.parent != package:
                (target.parent / "__init__.py").touch()
        return Checkout(tmp_path)

    return write


@pytest.fixture
def reader(plant: Plant) -> Callable[[dict[str, str]], Reader]:
    """Reads the modules of a trainer."""
    return lambda files: Reader(read(plant(files).modules))
