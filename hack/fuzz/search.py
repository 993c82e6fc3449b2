"""Looks for an input of a kind that gets another answer than it may."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from hack.fuzz.kind import Kind

BATCH = 25
"""Inputs that one seed gives."""
_SHOWN = 160
_SETTINGS: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "report_multiple_bugs": False,
    "print_blob": False,
}


@dataclass(frozen=True)
class Find:
    """An input that got another answer than it may: the smallest one that a seed leads to, and what came of it."""

    kind: str
    seed: int
    trace: str

    def __str__(self) -> str:
        trace = self.trace.encode("ascii", "backslashreplace").decode()
        return f"{self.kind}:\n{trace}again: python -m hack.fuzz --seed {self.seed} --seconds 0 {self.kind}"


def try_fixed(kind: Kind[Any]) -> None:
    """Tries the same examples as ever; raises what the first one at fault raises, with the example."""

    def tries(example: Any) -> None:
        kind.check(example)

    settings(derandomize=True, max_examples=kind.examples, **_SETTINGS)(given(kind.inputs)(tries))()


def search(kind: Kind[Any], first_seed: int, seconds: float, say: Callable[[str], None]) -> Find | None:
    """Tries fresh inputs until the time is up; returns the first find, if there is one.

    Args:
        kind: what is tried.
        first_seed: of the first batch; each later one has the next.
        seconds: for so long, and one batch at least.
        say: told each input, before it is tried: what ends the process is the last one.
    """
    end, number = time.monotonic() + seconds, first_seed
    while True:
        say(f"{kind.name}: seed {number}")
        found = _batch(kind, number, say)
        if found is not None or time.monotonic() > end:
            return found
        number += 1


def _batch(kind: Kind[Any], number: int, say: Callable[[str], None]) -> Find | None:
    def holds(example: Any) -> None:
        say(f"  {_short(example)}")
        kind.check(example)

    phases = (Phase.generate, Phase.shrink)
    run = seed(number)(settings(max_examples=BATCH, phases=phases, **_SETTINGS)(given(kind.inputs)(holds)))
    try:
        run()
    except Exception:  # noqa: BLE001 (whatever it is, it is what was looked for)
        return Find(kind.name, number, traceback.format_exc())
    return None


def _short(example: Any) -> str:
    text = ascii(example)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
