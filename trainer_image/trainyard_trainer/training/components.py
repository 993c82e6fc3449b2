"""Makes a run's components from its config, each when it is first asked for.

Place in the data's way: station 4. All refusals that don't need a step to be run happen here, before any work. Nothing
is loaded that nobody asks for: an algorithm without a policy loads no model, unless an exam is answered by one.
"""

from __future__ import annotations

from datetime import date
from functools import cached_property

from trainyard_api.progress import ReportedSampler
from trainyard_api.run_config import RunConfig
from trainyard_trainer.algorithms.plan import Plan
from trainyard_trainer.chat.renderer import Renderer, make_renderer
from trainyard_trainer.data.data_report import DataReport
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.models.first_model import load_first
from trainyard_trainer.models.load import LoadedModel
from trainyard_trainer.policy.settings import PolicySettings
from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.rewards.reward import WeightedReward, close_rewards
from trainyard_trainer.rollouts.in_process import SynchronousRollouts
from trainyard_trainer.rollouts.plans import evaluation_plan
from trainyard_trainer.rollouts.source import RolloutSource
from trainyard_trainer.sampling.in_process.choose import choose_engine
from trainyard_trainer.sampling.in_process.sampler import InProcessEngine
from trainyard_trainer.stop import Stop
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.training.check_data import Limits, check_data, open_questions
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.measured import Exam
from trainyard_trainer.training.registry import load_rewards, make_task


class Components:
    """Makes the components of one run on demand; any of them raises RefusedError where config, inputs and image don't
    fit.

    Args:
        config: what the run is.
        inputs: files of this machine.
        stop: asked while the user's rewards are started, by the engine and by the policy.
        plan: what the algorithm asks for.
    """

    def __init__(self, config: RunConfig, inputs: RunInputs, stop: Stop, plan: Plan) -> None:
        self._config, self._inputs, self._stop, self._plan = config, inputs, stop, plan

    @cached_property
    def task(self) -> Task:
        """Makes the task that the agent learns."""
        return make_task(self._config.task, self._inputs.module)

    @cached_property
    def rewards(self) -> tuple[WeightedReward, ...]:
        """Loads the rewards; those of a user run in a process of their own, which `close` ends."""
        return load_rewards(self._config.task.rewards, self._inputs.module, self._stop.requested)

    @cached_property
    def questions(self) -> Questions:
        """Opens the questions of training, validation and test."""
        return open_questions(self._config, self.task, self._inputs.data)

    @cached_property
    def model(self) -> LoadedModel:
        """Loads the first weights with their tokenizer."""
        return load_first(self._config.model, self._config.algorithm, self._inputs.model, self.task.alphabet)

    @cached_property
    def renderer(self) -> Renderer:
        """Makes the renderer of the task's conversations."""
        began_on = self._config.run.began_on
        day = None if began_on is None else date.fromisoformat(began_on)
        return make_renderer(self.model.vocabulary, self.task, self._config.task.special_tokens, day)

    @cached_property
    def policy(self) -> TorchPolicy:
        """Makes the policy: the weights and their optimizer."""
        return TorchPolicy(self.model, policy_settings(self._config, self._plan), stop=self._stop)

    @cached_property
    def longest_row(self) -> int:
        """Estimates the tokens of the longest trajectory: the longest prompt, every turn at its limit, and as much in
        replies.
        """
        expected = self._report.longest_prompt + 2 * self._turn_tokens * self._plan.max_turns
        return min(expected, self.model.context_length or expected)

    @cached_property
    def rollouts(self) -> RolloutSource:
        """Makes rollouts in this process, by an engine that samples with the policy's own weights."""
        return SynchronousRollouts(
            engine=self._engine[0],
            task=self.task,
            task_name=self._config.task.name,
            renderer=self.renderer,
            run=self._config.run.uid,
            seed=self._config.algorithm.seed,
            stop=self._stop,
            context_length=self.model.context_length,
        )

    @property
    def sampler(self) -> ReportedSampler | None:
        """Returns what is to be reported of the engine; None until rollouts were made."""
        return self._engine[1] if "_engine" in self.__dict__ else None

    @cached_property
    def exam(self) -> Exam | None:
        """Makes what the run is measured by; None where it isn't measured."""
        settings = self._config.evaluation
        if settings is None:
            return None
        self.check_data()
        how = evaluation_plan(settings, self._plan.max_turns, self._plan.max_turn_tokens)
        return Exam(settings, self.questions, self.rollouts, how, self.rewards)

    def check_data(self) -> None:
        """Reports once on every question that the run may ask, and refuses those that it can't use."""
        _ = self._report

    def close(self) -> None:
        """Ends what was started."""
        if "rewards" in self.__dict__:
            close_rewards(self.rewards)

    @cached_property
    def _report(self) -> DataReport:
        task, _ = self.task, self.rewards  # what is wrong in a manifest is said before a model is loaded
        questions = self.questions
        return check_data(
            questions,
            task,
            self.renderer,
            Limits.of(self.model.context_length, self._turn_tokens, demonstrates=self._plan.demonstrates),
            training=self._plan.steps > 0,
            options=self._config.task.options,
        )

    @cached_property
    def _engine(self) -> tuple[InProcessEngine, ReportedSampler]:
        return choose_engine(self.policy, self._stop, longest_row=self.longest_row)

    @property
    def _turn_tokens(self) -> int:
        return self._plan.max_turn_tokens or self.task.max_turn_tokens


def policy_settings(config: RunConfig, plan: Plan) -> PolicySettings:
    """Gathers how the policy computes and learns: as the manifest says, and as the algorithm asks."""
    algorithm = config.algorithm
    return PolicySettings(
        learning_rate=plan.learning_rate,
        precision=algorithm.precision,
        gradient_checkpointing=algorithm.gradient_checkpointing,
        compile=algorithm.compile,
        micro_batch_tokens=algorithm.micro_batch_tokens,
        memory_limit_bytes=config.memory_limit_bytes,
        temperature=plan.temperature,
        keep_reference=plan.keep_reference,
        trains=plan.trains,
    )
