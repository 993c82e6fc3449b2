"""GRPO on one screen.

Place in the data's way: stations 5 to 8, and the calls that lead to 9, 10 and 11. For each step: draw prompts, roll out
a group of trajectories for each, score them, compare each with its group, update the policy. Whatever it calls is a
pure function, or one of the interfaces: engine, environment, source of rollouts, policy.
"""

from __future__ import annotations

from trainyard_api.algorithm import GRPOConfig
from trainyard_trainer.algorithms.advantages import with_advantages
from trainyard_trainer.algorithms.metrics import as_decimals, grpo_metrics
from trainyard_trainer.algorithms.update import merged, prepare_batch, updates
from trainyard_trainer.reporting.stopwatch import Stopwatch
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.rollouts.plans import training_plan
from trainyard_trainer.training.between_steps import goes_on
from trainyard_trainer.training.components import Outlets, Parts
from trainyard_trainer.training.saving import stop_if_asked
from trainyard_trainer.training.train_state import Position


def train(config: GRPOConfig, parts: Parts, outlets: Outlets, position: Position) -> None:
    """Group relative policy optimisation (arXiv 2402.03300), from `position` on, which is moved along.

    Raises:
        RolloutInterruptedError: a stop was asked for before the step's first update; `position` is the step's start.
        StoppedError: one was asked for between two updates or two steps; the state of then is committed.
        RefusedError: too many rewards failed, or three updates in a row weren't finite.
    """
    policy, plan = parts.policy, training_plan(config)
    while goes_on(config.steps, parts, outlets, position):
        step, watch, batch = position.step, Stopwatch(), position.batch
        if batch is None:
            outlets.board.phase("rollout")
            prompts = parts.questions.training(step, config.prompts_per_step)
            rolled_out = sorted(parts.rollouts.rollout(prompts, plan), key=lambda trajectory: trajectory.id)
            watch.lap("rollout")
            scored = score(rolled_out, parts.rewards, float(config.max_failed_fraction))
            watch.lap("reward")
            batch = prepare_batch(policy, with_advantages(scored, config), config, step=step)
        outlets.board.updating(len(batch.outcomes), config.minibatches * config.epochs)
        for done, count, updated in updates(policy, batch, config, seed=parts.seed):
            batch = position.batch = updated
            if done < count:
                outlets.board.updating(done, count)
                stop_if_asked(policy, position, outlets)
        watch.lap("update")
        metrics = grpo_metrics(step, policy.version, batch.trajectories, merged(batch.outcomes), watch.seconds())
        outlets.ledger.record_step(batch.trajectories, metrics)
        position.finish_step(as_decimals(metrics))
        outlets.board.step_done(position.step, metrics)
