"""A user's module, as the fuzzing of rewards mounts it: each reward does what its trajectory's question says.

The question is Python that ends by returning, or raising, whatever a reward may.
"""

from __future__ import annotations

import asyncio
import decimal
import fractions
import warnings
from typing import Any

import numpy as np

from trainyard_trainer.trajectory import Trajectory

warnings.simplefilter("ignore")  # a coroutine that nobody awaits is one of the values


class Unspeakable(Exception):  # noqa: N818 (it says of itself what it likes)
    """Raises when it is told."""

    def __str__(self) -> str:
        raise self.args[0] if self.args and isinstance(self.args[0], BaseException) else RuntimeError("no words")

    __repr__ = __str__


class Lies:
    """Every look at it raises what it was given, or gives that."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def _tell(self, *_: Any) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    __float__ = __int__ = __index__ = __len__ = __bool__ = __iter__ = __repr__ = __str__ = __abs__ = __eq__ = _tell
    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return self._tell()


def _run(trajectory: Trajectory) -> Any:
    names: dict[str, Any] = {
        "np": np,
        "decimal": decimal,
        "fractions": fractions,
        "asyncio": asyncio,
        "trajectory": trajectory,
    }
    names |= {"Unspeakable": Unspeakable, "Lies": Lies}
    exec(f"def reward():\n    {trajectory.question}", names)
    return names["reward"]()


def runs(trajectory: Trajectory) -> Any:
    """Scores as a function."""
    return _run(trajectory)


async def awaits(trajectory: Trajectory) -> Any:
    """Scores as a coroutine, which lets all others begin first."""
    await asyncio.sleep(0)
    return _run(trajectory)
