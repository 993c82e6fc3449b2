"""Finds the manifest's field that makes a loss or a gradient not finite.

Place in the data's way: station 8, when a run is given up for it. The first quantity on the way to the loss that isn't
finite tells: weights, then log-probabilities, then the loss itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.policy import Policy

MAX_SKIPPED: Final = 3
"""Updates in a row whose loss or gradient isn't finite, after which the run can't go on."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """Holds the settings of an algorithm that can make its loss infinite; None where it has no such setting.

    Attributes:
        field: path of the algorithm's settings in a manifest.
        temperature: at which log-probabilities are taken.
        penalty: coefficient of the divergence from the reference.
    """

    field: str
    temperature: str | None = None
    penalty: str | None = None


def require_finite(policy: Policy, rows: Sequence[Row], suspects: Suspects) -> None:
    """Refuses to go on after too many updates in a row that changed nothing.

    Raises:
        RefusedError: NOT_FINITE.
    """
    if policy.skipped_in_a_row >= MAX_SKIPPED:
        field_path, value, found = cause(policy, rows, suspects)
        raise RefusedError(
            TerminationReason.NOT_FINITE,
            f"must keep loss and gradient finite; {MAX_SKIPPED} updates in a row weren't, so training can't go on: "
            f"{found}",
            field_path=field_path,
            value=value,
        )


def cause(policy: Policy, rows: Sequence[Row], suspects: Suspects) -> tuple[str, str, str]:
    """Finds the field that can cause it; returns its path, its value, and what was found.

    Args:
        policy: whose update on `rows` wasn't finite.
        rows: what was trained on.
        suspects: the algorithm's settings.
    """
    rate = f"{suspects.field}.learningRate", f"{policy.learning_rate:g}"
    if not policy.has_finite_weights():
        if policy.version == 0:
            return "spec.model", policy.architecture, "the weights that it began with aren't finite"
        return *rate, "the weights aren't finite any more"
    if not _finite(policy.score(rows), rows):
        if suspects.temperature is not None and float(suspects.temperature) < 1:
            found = "log-probabilities at this temperature aren't finite"
            return f"{suspects.field}.temperature", suspects.temperature, found
        return "spec.model", policy.architecture, "its log-probabilities aren't finite"
    if suspects.penalty is not None:
        return f"{suspects.field}.kl.coefficient", suspects.penalty, "the loss with this penalty isn't finite"
    return *rate, "weights and log-probabilities are finite, the loss or its gradient isn't"


def _finite(scores: Sequence[Sequence[float]], rows: Sequence[Row]) -> bool:
    return all(
        math.isfinite(value) or not sampled
        for score, row in zip(scores, rows, strict=True)
        for value, sampled in zip(score, row.mask, strict=True)
    )
