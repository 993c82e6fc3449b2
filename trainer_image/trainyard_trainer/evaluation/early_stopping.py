"""Decides from all validations so far which state is the best, and whether training should end early.

Place in the data's way: station 5, between steps. Pure: a frozen value goes in, a new one comes out. It measures and
stops nothing. A checkpoint holds it, so that a continued run decides as the undisturbed one would.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

_NOISE = 1e-9
"""Differences of success rates below this are the last bits of floats: 0.7 + 0.1 < 0.8."""


@dataclass(frozen=True, slots=True)
class ValidationHistory:
    """Remembers what all validations showed; values are None before the first that has one.

    `best` is the greatest value and `best_step` where it was first reached: the state to keep. `improved_to` is the
    value of the latest validation that counted as an improvement, which slow rises add up against. `waited` counts
    validations since then. `last_step` is the newest one seen, `last` its value where it has one.
    """

    best: float | None = None
    best_step: int | None = None
    improved_to: float | None = None
    waited: int = 0
    last_step: int | None = None
    last: float | None = None

    def to_state(self) -> dict[str, float | int | None]:
        """Gives it as a plain dict for a checkpoint; never with NaN."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, float | int | None]) -> ValidationHistory:
        """Reads what `to_state` gave.

        Raises:
            ValueError: the state has other members.
        """
        names = {field.name for field in fields(cls)}
        if set(state) != names:
            raise ValueError(f"the state of early stopping has the members {sorted(names)}; got {sorted(state)}")
        return cls(**state)  # type: ignore[arg-type]  # its own values, as `to_state` wrote them


def observed(history: ValidationHistory, step: int, value: float | None, min_delta: float = 0.0) -> ValidationHistory:
    """Adds a validation to the history.

    A value is an improvement if it is greater than that of the latest improvement, by at least `min_delta`; an equal
    one isn't. One that doesn't exist (None, NaN, infinite: nothing could be scored) isn't either.

    Args:
        history: all validations before.
        step: finished steps. One that was seen already changes nothing: a continued run may measure it again.
        value: success rate, or None.
        min_delta: rise from which on it is an improvement, in the unit of `value`, at least 0.
    """
    if history.last_step is not None and step <= history.last_step:
        return history
    history = replace(history, waited=history.waited + 1, last_step=step, last=None)
    if value is None or not math.isfinite(value):
        return history
    history = replace(history, last=value)
    if history.best is None or value > history.best + _NOISE:
        history = replace(history, best=value, best_step=step)
    if history.improved_to is None or value - history.improved_to >= max(min_delta - _NOISE, _NOISE):
        history = replace(history, improved_to=value, waited=0)
    return history


def is_new_best(history: ValidationHistory) -> bool:
    """Tells whether the latest validation is the best so far, so that its state should become a checkpoint."""
    return history.best_step is not None and history.best_step == history.last_step


def should_stop(history: ValidationHistory, patience: int | None) -> bool:
    """Tells whether `patience` validations in a row brought no improvement; never without a patience."""
    return patience is not None and history.waited >= patience
