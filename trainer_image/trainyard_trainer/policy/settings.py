"""Holds how a policy computes and learns, whatever it is trained on.

Place in the data's way: station 4, on the way from the run config to station 8. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainyard_api.algorithm import Precision


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """Holds the settings of a `TorchPolicy`.

    `temperature` is the rollouts', at which log-probabilities are taken. `micro_batch_tokens` is the most tokens of a
    pass, padding included; None has `TorchPolicy.prepare` find it, within `memory_limit_bytes` where no accelerator's
    memory is the limit. `keep_reference` keeps the first weights, for a penalty on leaving them. `trains` is False
    where nothing is ever updated.
    """

    learning_rate: float
    precision: Precision = Precision.FLOAT32
    gradient_checkpointing: bool = False
    compile: bool = False
    micro_batch_tokens: int | None = None
    memory_limit_bytes: int | None = None
    temperature: float = 1.0
    keep_reference: bool = False
    trains: bool = True
