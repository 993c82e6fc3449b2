"""How a policy computes and learns, whatever it is trained on.

Place in the data's way: station 4, on the way from the run config to station 8. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainyard_api.algorithm import Precision
from trainyard_api.run_config import RunConfig


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """Settings of a `TorchPolicy`.

    `temperature` is the rollouts', at which log-probabilities are taken. `micro_batch_tokens` is the most tokens of a
    pass, padding included; None has `TorchPolicy.prepare` find it, within `memory_limit_bytes` where no accelerator's
    memory is the limit. `keep_reference` keeps the first weights, for a penalty on leaving them. `trains` is False
    where nothing is ever updated. `group` is a torch.distributed process group whose ranks share each update; None for
    one process.
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
    group: Any = None

    @staticmethod
    def of(config: RunConfig) -> PolicySettings:
        """What a run config says; an evaluation learns at rate 0."""
        algorithm = config.algorithm
        learning = algorithm.grpo or algorithm.sft
        return PolicySettings(
            learning_rate=float(learning.learning_rate) if learning else 0.0,
            precision=algorithm.precision,
            gradient_checkpointing=algorithm.gradient_checkpointing,
            compile=algorithm.compile,
            micro_batch_tokens=algorithm.micro_batch_tokens,
            memory_limit_bytes=config.memory_limit_bytes,
            temperature=float(algorithm.grpo.temperature) if algorithm.grpo else 1.0,
            keep_reference=algorithm.grpo is not None and algorithm.grpo.kl is not None,
            trains=learning is not None,
        )
