"""How the policy is trained: one algorithm and its settings.

Place in the data's way: station 1, the part of a manifest that stations 5 to 8 obey. No I/O, no policy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainyard_api.fields import ApiModel, LearningRate
from trainyard_api.rules import Rule


class LossType(StrEnum):
    """How token losses are put together, by the names that GRPO papers and TRL use."""

    DAPO = "DAPO"
    GRPO = "GRPO"


class GRPOConfig(ApiModel):
    """Group relative policy optimisation (DeepSeekMath, arXiv 2402.03300)."""

    loss: LossType = LossType.DAPO
    """Denominator of the loss: DAPO divides by all policy tokens of the update (arXiv 2503.14476), GRPO averages each
    trajectory's tokens first. Default: DAPO."""
    steps: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of rollout batches, each followed by an update of the policy."""
    prompts_per_step: Annotated[int, Field(ge=1, le=4096)] = 16
    """Prompts drawn for one step. Default: 16."""
    group_size: Annotated[int, Field(ge=2, le=1024)] = 8
    """Trajectories sampled for each prompt; rewards are normalised among them. Default: 8."""
    learning_rate: LearningRate = "1e-6"
    """AdamW's learning rate, constant. Default: 1e-6."""
    max_turns: Annotated[int, Field(ge=1, le=100)] = 20
    """Turns of the policy after which a trajectory is cut off. Default: 20."""


class SFTConfig(ApiModel):
    """Supervised fine-tuning on the task's demonstrations; the loss counts the policy's own tokens only."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of optimizer updates."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Demonstrations in one update. Default: 64."""
    learning_rate: LearningRate = "1e-5"
    """AdamW's learning rate, constant. Default: 1e-5."""


class Algorithm(ApiModel):
    """How the policy is trained."""

    type: Literal["GRPO", "SFT"]
    """GRPO or SFT; the member of the same name, in lower case, holds its settings."""
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Seed of every random draw of the run. Default: 0."""
    grpo: GRPOConfig | None = None
    """Settings of GRPO; required when type is GRPO, else absent."""
    sft: SFTConfig | None = None
    """Settings of SFT; required when type is SFT, else absent."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.grpo) == (self.type == 'GRPO')",
            "must be set exactly when type is GRPO",
            lambda algorithm: (algorithm.grpo is not None) == (algorithm.type == "GRPO"),
            field="grpo",
        ),
        Rule(
            "has(self.sft) == (self.type == 'SFT')",
            "must be set exactly when type is SFT",
            lambda algorithm: (algorithm.sft is not None) == (algorithm.type == "SFT"),
            field="sft",
        ),
    )
