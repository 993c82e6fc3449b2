"""Says what each type of algorithm asks of the other components of its run.

Place in the data's way: station 4. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainyard_api.algorithm import Algorithm, GRPOConfig, SFTConfig
from trainyard_trainer.rollouts.plans import EVALUATION_TURNS


@dataclass(frozen=True, slots=True)
class Plan:
    """Says what a policy, rollouts and data are prepared for; by default a run that only measures.

    Attributes:
        steps: of the run.
        learning_rate: the optimizer's.
        trains: whether the policy is ever updated.
        temperature: at which log-probabilities are taken: that of the rollouts.
        keep_reference: whether the first weights are kept, for a penalty on leaving them.
        max_turns: policy turns of a conversation.
        max_turn_tokens: tokens of a policy turn; the task's own limit where it is None.
        demonstrates: whether the task's demonstrations are trained on.
    """

    steps: int = 0
    learning_rate: float = 0.0
    trains: bool = False
    temperature: float = 1.0
    keep_reference: bool = False
    max_turns: int = EVALUATION_TURNS
    max_turn_tokens: int | None = None
    demonstrates: bool = False


def plan_of(spec: Algorithm) -> Plan:
    """Reads what an algorithm asks for; one that doesn't train asks for what measuring needs.

    Raises:
        ValueError: a type without its settings, or without a plan here.
    """
    if spec.type == "Evaluation":
        return Plan()
    if spec.grpo is not None:
        return _grpo(spec.grpo)
    if spec.sft is not None:
        return _sft(spec.sft)
    raise ValueError(f"algorithm.type: must have settings and a plan; got {spec.type!r}")


def _grpo(config: GRPOConfig) -> Plan:
    return Plan(
        steps=config.steps,
        learning_rate=float(config.learning_rate),
        trains=True,
        temperature=float(config.temperature),
        keep_reference=config.kl is not None,
        max_turns=config.max_turns,
        max_turn_tokens=config.max_turn_tokens,
    )


def _sft(config: SFTConfig) -> Plan:
    return Plan(steps=config.steps, learning_rate=float(config.learning_rate), trains=True, demonstrates=True)
