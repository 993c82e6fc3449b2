"""A run that does everything but train, and says what it found.

Place in the data's way: station 4, and a taste of stations 5 and 6. Whatever a real run would refuse at its start or at
its first step is refused here. It writes no row, no report and no checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from trainyard_api.run_config import RunConfig
from trainyard_trainer.algorithms.plan import plan_of
from trainyard_trainer.algorithms.sft import demonstration_rows
from trainyard_trainer.environment import Prompt
from trainyard_trainer.evaluation.results import evaluation_values
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.rollouts.plans import training_plan
from trainyard_trainer.rollouts.source import RolloutPlan
from trainyard_trainer.stop import Stop
from trainyard_trainer.training.algorithm_types import make_algorithm
from trainyard_trainer.training.baseline import at_baseline, baseline_config
from trainyard_trainer.training.components import Components
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.trajectory import Trajectory

PROMPTS = 4
"""Prompts that are tried."""
SHOWN_CHARACTERS = 400
"""Most characters of a turn that are shown."""


def dry_run(config: RunConfig, inputs: RunInputs, *, stop: Stop, say: Callable[[str], None]) -> None:
    """Makes a run's components, tries them on a few prompts, and says what came of each.

    Args:
        config: what would be trained, with every reference resolved.
        inputs: files of this machine.
        stop: asked between decode rounds.
        say: takes a line for a person.

    Raises:
        RefusedError: what the run would be refused for.
        DroppedError: a stop was asked for.
    """
    if config.baseline is not None:
        say("baseline:")
        with at_baseline():
            _try(baseline_config(config), replace(inputs, model=inputs.baseline), stop, say)
        say("model:")
    _try(config, inputs, stop, say)


def _try(config: RunConfig, inputs: RunInputs, stop: Stop, say: Callable[[str], None]) -> None:
    plan = plan_of(config.algorithm)
    components = Components(config, inputs, stop, plan)
    try:
        algorithm = make_algorithm(config.algorithm, components) if plan.steps else None
        _ = components.exam  # what it needs is tried too
        say(f"model: {components.policy.architecture}")
        if components.sampler is not None:
            say(f"sampler: {components.sampler.kind}; {components.sampler.message}")
        if algorithm is not None:
            algorithm.prepare()
            tokens = f"rows of up to {components.longest_row} tokens"
            say(f"update: {tokens}, passes of at most {components.policy.micro_batch_tokens} with their padding")
        _TRIALS[config.algorithm.type](config, components, say)
    finally:
        components.close()


def _try_grpo(config: RunConfig, components: Components, say: Callable[[str], None]) -> None:
    if (grpo := config.algorithm.grpo) is not None:
        prompts = components.questions.training(0, min(PROMPTS, grpo.prompts_per_step))
        _try_rollout(prompts, training_plan(grpo), components, float(grpo.max_failed_fraction), say)


def _try_sft(config: RunConfig, components: Components, say: Callable[[str], None]) -> None:
    if (sft := config.algorithm.sft) is not None:
        rows = demonstration_rows(components.questions.demonstrations(0, sft.batch_size), components.renderer)
        longest, trained = max(len(row.token_ids) for row in rows), sum(sum(row.mask) for row in rows)
        say(f"demonstrations: {len(rows)}, the longest of {longest} tokens; the policy's own are {trained} tokens")
    _try_evaluation(config, components, say)


def _try_evaluation(_: RunConfig, components: Components, say: Callable[[str], None]) -> None:
    if (exam := components.exam) is not None:
        _try_rollout(exam.questions.test[:PROMPTS], exam.plan, components, 1.0, say)


_TRIALS = {"GRPO": _try_grpo, "SFT": _try_sft, "Evaluation": _try_evaluation}


def _try_rollout(
    prompts: Sequence[Prompt], plan: RolloutPlan, components: Components, allowed: float, say: Callable[[str], None]
) -> None:
    """Rolls out and scores, then shows the numbers and one conversation."""
    rolled_out = sorted(components.rollouts.rollout(prompts, plan), key=lambda trajectory: trajectory.id)
    scored = score(rolled_out, components.rewards, allowed)
    say(f"rollout: {len(scored)} trajectories of {len(prompts)} prompts")
    for name, value in evaluation_values(scored).items():
        say(f"  {name}: {value:.4g}")
    for reward in components.rewards:
        values = [one.rewards[reward.name] for one in scored if one.scored]
        say(f"  reward {reward.name}: from {min(values):.4g} to {max(values):.4g}, weight {reward.weight:g}")
    if failed := [one for one in scored if one.error]:
        say(f"  the first that failed: {failed[0].error}")
    _show(next((one for one in scored if one.scored), scored[0]), say)


def _show(trajectory: Trajectory, say: Callable[[str], None]) -> None:
    say(f"one of them, {trajectory.status}, reward {trajectory.total_reward}:")
    for turn in trajectory.turns:
        text = turn.text if len(turn.text) <= SHOWN_CHARACTERS else turn.text[: SHOWN_CHARACTERS - 1] + "…"
        say(f"  {turn.role}: {text!r}")
