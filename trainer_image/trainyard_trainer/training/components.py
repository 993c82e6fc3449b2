"""What a loop is made of, and how it is put together from a run config.

Place in the data's way: station 4. All refusals that don't need a step to be run happen here, before any work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from trainyard_api.evaluation import Evaluation
from trainyard_api.progress import ReportedSampler
from trainyard_api.run_config import RunConfig
from trainyard_trainer.chat.renderer import Renderer, make_renderer
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.models.first_model import load_first
from trainyard_trainer.models.load import LoadedModel
from trainyard_trainer.policy.policy import Policy
from trainyard_trainer.policy.settings import PolicySettings
from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.reporting.board import ProgressBoard
from trainyard_trainer.rewards.reward import WeightedReward, close_rewards
from trainyard_trainer.rollouts.in_process import SynchronousRollouts
from trainyard_trainer.rollouts.plans import EVALUATION_TURNS, evaluation_plan
from trainyard_trainer.rollouts.source import RolloutPlan, RolloutSource
from trainyard_trainer.sampling.in_process.choose import choose_engine
from trainyard_trainer.sinks import Checkpointer, Ledger
from trainyard_trainer.stop import StopRequest
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.training.check_data import Limits, check_data, open_questions
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.registry import load_rewards, make_task


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with; `answering` is how the queries of a measurement are answered, None without any."""

    policy: Policy
    rollouts: RolloutSource
    questions: Questions
    rewards: tuple[WeightedReward, ...]
    renderer: Renderer
    evaluation: Evaluation | None
    answering: RolloutPlan | None
    seed: int
    longest_row: int
    sampler: ReportedSampler


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where the loop's results go, and whom it asks whether to stop; a checkpoint is due every `every_steps` steps."""

    ledger: Ledger
    board: ProgressBoard
    checkpointer: Checkpointer
    stop: StopRequest
    every_steps: int


def build_parts(config: RunConfig, inputs: RunInputs, stop: StopRequest) -> Parts:
    """Task, rewards, questions, model and engine of a run.

    Raises:
        RefusedError: the config names something that isn't there or doesn't fit together.
    """
    algorithm = config.algorithm
    task = make_task(config.task, inputs.module)
    rewards = load_rewards(config.task.rewards, inputs.module, stop.requested)
    try:
        questions = open_questions(config, task, inputs.data)
        loaded = load_first(config.model, algorithm, inputs.model, task.alphabet)
        renderer = make_renderer(loaded.vocabulary, task, config.task.special_tokens, _day(config))
        turn_tokens = (algorithm.grpo.max_turn_tokens if algorithm.grpo else None) or task.max_turn_tokens
        report = check_data(
            questions,
            task,
            renderer,
            Limits.of(loaded.context_length, turn_tokens, demonstrates=algorithm.sft is not None),
            training=steps_of(config) > 0,
            options=config.task.options,
        )
        policy = TorchPolicy(loaded, PolicySettings.of(config))
        longest_row = _longest_row(config, task, loaded, report.longest_prompt)
        engine, sampler = choose_engine(policy, stop, longest_row=longest_row)
        rollouts = SynchronousRollouts(
            engine=engine,
            task=task,
            task_name=config.task.name,
            renderer=renderer,
            run=config.run.uid,
            seed=algorithm.seed,
            stop=stop,
            context_length=loaded.context_length,
        )
    except BaseException:
        close_rewards(rewards)
        raise
    return Parts(
        policy=policy,
        rollouts=rollouts,
        questions=questions,
        rewards=rewards,
        renderer=renderer,
        evaluation=config.evaluation,
        answering=evaluation_plan(config),
        seed=algorithm.seed,
        longest_row=longest_row,
        sampler=sampler,
    )


def _day(config: RunConfig) -> date | None:
    """The day on which the run began, where it is known."""
    return None if config.run.began_on is None else date.fromisoformat(config.run.began_on)


def _longest_row(config: RunConfig, task: Task, loaded: LoadedModel, longest_prompt: int) -> int:
    """Tokens of the longest trajectory to be expected: the longest prompt, every turn as long as it may be, and as much
    said in reply.
    """
    grpo = config.algorithm.grpo
    turn = (grpo.max_turn_tokens if grpo else None) or task.max_turn_tokens
    expected = longest_prompt + 2 * turn * (grpo.max_turns if grpo else EVALUATION_TURNS)
    return min(expected, loaded.context_length or expected)


def steps_of(config: RunConfig) -> int:
    """How many steps the run has; none where it only evaluates."""
    settings = config.algorithm.grpo or config.algorithm.sft
    return 0 if settings is None else settings.steps
