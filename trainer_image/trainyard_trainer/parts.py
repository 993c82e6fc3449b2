"""What a loop is made of, and how it is put together from a run config.

Place in the data's way: station 4. All refusals that don't need a step to be run happen here, before any work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainyard_api.run_config import RunConfig
from trainyard_api.training_job_spec import Evaluation
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.models.codec import Codec
from trainyard_trainer.models.loading import LoadedModel, load_folder, scratch
from trainyard_trainer.outlets import Checkpointer, Ledger, StopRequest
from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.registry import WeightedReward, load_rewards, make_task
from trainyard_trainer.reporting.board import ProgressBoard
from trainyard_trainer.rollouts.rollout import SynchronousRollouts
from trainyard_trainer.sampling.sampler import InProcessEngine
from trainyard_trainer.seams import Policy, RolloutSource
from trainyard_trainer.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with."""

    policy: Policy
    rollouts: RolloutSource
    questions: Questions
    rewards: tuple[WeightedReward, ...]
    codec: Codec
    evaluation: Evaluation | None


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where the loop's results go, and whom it asks whether to stop; a checkpoint is due every `every_steps` steps."""

    ledger: Ledger
    board: ProgressBoard
    checkpointer: Checkpointer
    stop: StopRequest
    every_steps: int


def build_parts(config: RunConfig, model_folder: Path | None, stop: StopRequest) -> Parts:
    """Task, rewards, model and engine of a run.

    Raises:
        RefusedError: the config names something that isn't there or doesn't fit together.
    """
    task = make_task(config.task)
    rewards = load_rewards(config.task.rewards)
    seed = config.algorithm.seed
    questions = Questions(task, seed, config.evaluation.questions if config.evaluation else 0)
    loaded = _load_model(config, task, model_folder)
    codec = Codec(loaded, task.stop_texts)
    codec.require(task.alphabet)
    policy = TorchPolicy(loaded, float(_learning_rate(config)))
    rollouts = SynchronousRollouts(
        engine=InProcessEngine(policy),
        task=task,
        task_name=config.task.name,
        codec=codec,
        run=config.run.uid,
        seed=seed,
        version=lambda: policy.version,
        stop=stop,
    )
    return Parts(policy, rollouts, questions, rewards, codec, config.evaluation)


def steps_of(config: RunConfig) -> int:
    """How many steps the run has."""
    settings = config.algorithm.grpo or config.algorithm.sft
    if settings is None:
        raise ValueError("neither grpo nor sft is set; the contract's rules exclude this")
    return settings.steps


def _learning_rate(config: RunConfig) -> str:
    settings = config.algorithm.grpo or config.algorithm.sft
    if settings is None:
        raise ValueError("neither grpo nor sft is set; the contract's rules exclude this")
    return settings.learning_rate


def _load_model(config: RunConfig, task: Task, model_folder: Path | None) -> LoadedModel:
    model = config.model
    if model.scratch is not None:
        return scratch(model.scratch, task.alphabet, config.algorithm.seed)
    if model.path is not None:
        return load_folder(Path(model.path), value=model.path)
    if model_folder is None:
        raise ValueError("a model from a checkpoint or a bucket needs its local folder")
    member, value = ("checkpoint", model.checkpoint.uri) if model.checkpoint else ("s3", None)
    if model.s3 is not None:
        value = f"s3://{model.s3.bucket}/{model.s3.prefix}"
    return load_folder(model_folder, field_path=f"spec.model.{member}", value=value)
