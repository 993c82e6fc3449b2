"""Which field of the manifest makes a loss or a gradient that isn't finite.

Place in the data's way: station 8, when a run is given up for it. The first quantity on the way to the loss that isn't
finite tells: weights, then log-probabilities, then the loss itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from trainyard_api.algorithm import GRPOConfig
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.policy import Policy

GRPO: Final = "spec.algorithm.grpo"
SFT: Final = "spec.algorithm.sft"


def cause(policy: Policy, rows: Sequence[Row], config: GRPOConfig | None) -> tuple[str, str, str]:
    """The field that can cause it, its value, and what was found.

    Args:
        policy: whose update on `rows` wasn't finite.
        rows: what was trained on.
        config: GRPO's settings; None for supervised fine-tuning.
    """
    rate = f"{SFT if config is None else GRPO}.learningRate", f"{policy.learning_rate:g}"
    if not policy.has_finite_weights():
        if policy.version == 0:
            return "spec.model", policy.architecture, "the weights that it began with aren't finite"
        return *rate, "the weights aren't finite any more"
    if not _finite(policy.score(rows), rows):
        if config is not None and float(config.temperature) < 1:
            return f"{GRPO}.temperature", config.temperature, "log-probabilities at this temperature aren't finite"
        return "spec.model", policy.architecture, "its log-probabilities aren't finite"
    if config is not None and config.kl is not None:
        return f"{GRPO}.kl.coefficient", config.kl.coefficient, "the loss with this penalty isn't finite"
    return *rate, "weights and log-probabilities are finite, the loss or its gradient isn't"


def _finite(scores: Sequence[Sequence[float]], rows: Sequence[Row]) -> bool:
    return all(
        math.isfinite(value) or not sampled
        for score, row in zip(scores, rows, strict=True)
        for value, sampled in zip(score, row.mask, strict=True)
    )
