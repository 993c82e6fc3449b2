"""GRPO on one screen.

Place in the data's way: stations 5 to 8, and the calls that lead to 9, 10 and 11. For each step: draw prompts, roll out
a group of trajectories for each, score them, compare each with its group, update the policy. Whatever it calls is a
pure function or one of the seams.
"""

from __future__ import annotations

from time import perf_counter as now

from trainyard_api.algorithm import GRPOConfig
from trainyard_trainer.checkpoints.saving import is_due, save, stop_here
from trainyard_trainer.outlets import StepMetrics
from trainyard_trainer.parts import Outlets, Parts
from trainyard_trainer.policy.advantages import with_advantages
from trainyard_trainer.policy.torch_policy import TRAINING_TEMPERATURE
from trainyard_trainer.policy.update import update_by_grpo
from trainyard_trainer.reporting.metrics import grpo_metrics
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.sampling.randomness import Stream
from trainyard_trainer.seams import RolloutInterruptedError, RolloutPlan


def train(config: GRPOConfig, parts: Parts, outlets: Outlets, *, first_step: int = 0) -> None:
    """Group relative policy optimisation (arXiv 2402.03300): `config.steps` steps, the last ends with a checkpoint.

    Args:
        config: steps, prompts per step, group size, loss.
        parts: policy, rollouts, questions and rewards.
        outlets: where rows, reports and checkpoints go.
        first_step: finished steps of the state in `parts.policy`.

    Raises:
        StoppedError: a stop was asked for; the state after the last finished step is committed.
        RefusedError: a whole step without a reward, or three updates in a row that weren't finite.
    """
    policy = parts.policy
    metrics: StepMetrics | None = None
    plan = RolloutPlan(config.group_size, TRAINING_TEMPERATURE, config.max_turns, Stream.TRAINING_TOKENS)
    for step in range(first_step, config.steps):
        begun = now()
        prompts = parts.questions.training(step, config.prompts_per_step)
        outlets.board.phase("rollout")
        try:
            rolled_out = sorted(parts.rollouts.rollout(prompts, plan), key=lambda trajectory: trajectory.id)
        except RolloutInterruptedError:
            stop_here(policy, step, metrics, outlets)  # the step's unfinished work is dropped
        sampled = now()
        scored = score(rolled_out, parts.rewards)
        batch = with_advantages(scored)
        judged = now()
        outlets.board.phase("update")
        outcome = update_by_grpo(policy, batch, config.loss)
        seconds = {
            "rollout": sampled - begun,
            "reward": judged - sampled,
            "update": now() - judged,
            "step": now() - begun,
        }
        metrics = grpo_metrics(step, policy.version, batch, outcome, seconds)
        outlets.ledger.record_step(batch, metrics)
        outlets.board.step_done(step + 1, metrics)
        if is_due(step + 1, outlets.every_steps, config.steps):
            save(policy, step + 1, metrics, outlets)
        if outlets.stop.requested():
            stop_here(policy, step + 1, metrics, outlets)
