"""How the policy is trained: one algorithm and its settings.

Place in the data's way: station 1, the part of a manifest that stations 5 to 8 obey. No I/O, no policy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainyard_api.fields import ApiModel, Factor, Identifier, LearningRate, Share, formerly
from trainyard_api.rules import ATOMIC, Rule

_POSITIVE = Rule("double(self) > 0.0", "must be greater than 0", lambda value: float(value) > 0)
PositiveShare = Annotated[Share, _POSITIVE]
Temperature = Annotated[
    Factor,
    Rule(
        "double(self) >= 0.01 && double(self) <= 100.0",
        "must be from 0.01 to 100",
        lambda value: 0.01 <= float(value) <= 100,
    ),
]
"""Beyond it logits divided by it leave float32, or every token becomes equally probable."""


class LossType(StrEnum):
    """How token losses are put together, by the names that GRPO papers and TRL use."""

    DAPO = "DAPO"
    GRPO = "GRPO"
    DR_GRPO = "DrGRPO"
    GSPO = "GSPO"
    CISPO = "CISPO"


class KLEstimator(StrEnum):
    """How the divergence from the reference is estimated from one sampled token."""

    K1 = "K1"
    K2 = "K2"
    K3 = "K3"
    CORRECTED_K3 = "CorrectedK3"


class Credit(StrEnum):
    """What a turn is given credit for."""

    TRAJECTORY = "Trajectory"
    TURN = "Turn"


class Precision(StrEnum):
    """The floating-point type that the model computes in; master weights are float32 always."""

    FLOAT32 = "Float32"
    BFLOAT16 = "BFloat16"


class KLPenalty(ApiModel):
    """A penalty on leaving the reference policy, which is the policy that the run began with."""

    coefficient: Annotated[
        Factor,
        Rule(
            "double(self) >= 1e-9",
            "must be at least 1e-9, below which it is nothing beside a loss",
            lambda value: float(value) >= 1e-9,
        ),
    ] = "0.04"
    """Weight of the divergence in the loss (beta), at least 1e-9. Default: 0.04."""
    estimator: KLEstimator = KLEstimator.CORRECTED_K3
    """K1, K2 and K3 as in Schulman's note on approximating KL; CorrectedK3 multiplies K3 by the differentiable ratio to
    the old policy, so that its gradient is that of KL(policy || reference), or close to it with GSPO, whose ratio is a
    trajectory's. Default: CorrectedK3."""


class GRPOConfig(ApiModel):
    """Group relative policy optimisation (DeepSeekMath, arXiv 2402.03300)."""

    loss: Annotated[LossType, formerly({"DR_GRPO": LossType.DR_GRPO.value})] = LossType.DAPO
    """Loss and its denominator over the whole update. DAPO: all policy tokens (arXiv 2503.14476). GRPO: trajectories,
    each trajectory's tokens averaged first. DrGRPO: trajectories times maxPolicyTokens (arXiv 2503.20783). GSPO:
    trajectories, with one ratio per trajectory (arXiv 2507.18071). CISPO: all policy tokens, with a clipped, detached
    ratio (arXiv 2506.13585). Default: DAPO."""
    steps: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of rollout batches, each followed by minibatches times epochs updates of the policy."""
    prompts_per_step: Annotated[int, Field(ge=1, le=4096)] = 16
    """Prompts drawn for one step. Default: 16."""
    group_size: Annotated[int, Field(ge=2, le=1024)] = 8
    """Trajectories sampled for each prompt; rewards are normalised among them. Default: 8."""
    learning_rate: LearningRate = "1e-6"
    """AdamW's learning rate, constant. Default: 1e-6."""
    max_turns: Annotated[int, Field(ge=1, le=100)] = 20
    """Turns of the policy after which a trajectory is cut off. Default: 20."""
    max_turn_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Tokens after which one turn of the policy is cut off. Default: the task's."""
    temperature: Temperature = "1.0"
    """Sampling temperature of rollouts, from 0.01 to 100; log-probabilities are taken at it. Default: 1.0."""
    top_k: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Rollouts draw from this many most probable tokens only; training renormalises over the same. Default: all."""
    top_p: PositiveShare | None = None
    """Rollouts draw from the fewest most probable tokens whose probabilities reach this sum, greater than 0; training
    renormalises over the same. Default: all."""
    minibatches: Annotated[int, Field(ge=1, le=1024)] = 1
    """Updates that one pass over a step's trajectories is cut into, by group, in a seeded order. Default: 1."""
    epochs: Annotated[int, Field(ge=1, le=64)] = 1
    """Passes over a step's trajectories. Default: 1."""
    epsilon_low: Factor | None = None
    """How far below 1 the ratio to the old policy counts. Default: 0.2 for DAPO, GRPO and DrGRPO, 3e-4 for GSPO, none
    for CISPO."""
    epsilon_high: Factor | None = None
    """How far above 1 the ratio to the old policy counts; for CISPO the largest ratio itself. Default: 0.28 for DAPO,
    0.2 for GRPO and DrGRPO, 4e-4 for GSPO, 5.0 for CISPO."""
    dual_clip: Factor | None = None
    """Largest ratio that counts where the advantage is negative (arXiv 1912.09729; TRL's delta), greater than 1; not
    for CISPO. Default: none."""
    max_policy_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """DrGRPO's constant: the most tokens that the policy may sample in a trajectory. Required for DrGRPO, else
    absent."""
    drop_zero_variance_groups: bool = False
    """Leave groups whose rewards are all equal out of the denominator too. Default: false."""
    kl: KLPenalty | None = None
    """Penalty on leaving the policy that the run began with. Default: none."""
    gamma: Share = "1.0"
    """Discount of a reward per turn of the policy that comes before it, from 0 to 1. Default: 1.0."""
    credit: Credit = Credit.TRAJECTORY
    """Trajectory: every turn of a trajectory has its advantage. Turn: a turn's advantage is its own discounted return
    less the mean of its siblings' at the same turn, divided by the deviation of all turns' in the group. Default:
    Trajectory."""
    max_failed_fraction: Share = "0.5"
    """Share of a step's trajectories whose reward or environment may fail before the run is given up. Default: 0.5."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.maxPolicyTokens) == (self.loss == 'DrGRPO')",
            "must be set exactly when loss is DrGRPO",
            lambda grpo: (grpo.max_policy_tokens is not None) == (grpo.loss == LossType.DR_GRPO),
            field="max_policy_tokens",
        ),
        Rule(
            "!has(self.epsilonLow) || self.loss != 'CISPO'",
            "may not be set where loss is CISPO, which has no lower bound",
            lambda grpo: grpo.epsilon_low is None or grpo.loss != LossType.CISPO,
            field="epsilon_low",
        ),
        Rule(
            "!has(self.epsilonHigh) || self.loss != 'CISPO' || double(self.epsilonHigh) >= 0.001",
            "must be at least 0.001 where loss is CISPO, whose largest ratio it is",
            lambda grpo: grpo.epsilon_high is None or grpo.loss != LossType.CISPO or float(grpo.epsilon_high) >= 0.001,
            field="epsilon_high",
        ),
        Rule(
            "!has(self.dualClip) || (self.loss != 'CISPO' && double(self.dualClip) > 1.0)",
            "must be greater than 1, and may not be set where loss is CISPO",
            lambda grpo: grpo.dual_clip is None or (grpo.loss != LossType.CISPO and float(grpo.dual_clip) > 1),
            field="dual_clip",
        ),
    )


class SFTConfig(ApiModel):
    """Supervised fine-tuning on the task's demonstrations; the loss counts the policy's own tokens only."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of optimizer updates."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Demonstrations in one update. Default: 64."""
    learning_rate: LearningRate = "1e-5"
    """AdamW's learning rate, constant. Default: 1e-5."""


class LoRA(ApiModel):
    """Low-rank adaptation (arXiv 2106.09685) by peft: only the adapter is trained."""

    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    """Rank of the update of each weight matrix. Default: 16."""
    alpha: Annotated[int, Field(ge=1, le=4096)] = 32
    """Scale of the update, divided by rank. Default: 32."""
    target_modules: Annotated[list[Identifier], Field(min_length=1, max_length=64), ATOMIC] | None = None
    """Names of the linear layers that get an adapter. Default: all but the output embedding."""


class Algorithm(ApiModel):
    """How the policy is trained."""

    type: Literal["GRPO", "SFT", "Evaluation"]
    """GRPO, SFT, or Evaluation, which trains nothing; the member of the same name, in lower case, has the settings."""
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Seed of every random draw of the run. Default: 0."""
    grpo: GRPOConfig | None = None
    """Settings of GRPO; required when type is GRPO, else absent."""
    sft: SFTConfig | None = None
    """Settings of SFT; required when type is SFT, else absent."""
    lora: LoRA | None = None
    """Train a low-rank adapter only. Default: all weights."""
    precision: Precision = Precision.FLOAT32
    """Type that the model computes in; master weights are float32. Default: Float32."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass rather than keep them. Default: false."""
    compile: bool = False
    """Compile the training pass with torch.compile; refused where the image has no compiler. Default: false."""
    micro_batch_tokens: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Most tokens, padding included, of one forward and backward pass. Default: found before the first step."""

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
        Rule(
            "!has(self.lora) || self.type != 'Evaluation'",
            "may not be set where type is Evaluation, which trains nothing",
            lambda algorithm: algorithm.lora is None or algorithm.type != "Evaluation",
            field="lora",
        ),
    )
