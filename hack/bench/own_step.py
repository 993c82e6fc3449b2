"""One GRPO step of the trainer: what its loop calls, without ledger, checkpoints and reports.

Everything is the trainer's own, but for lengths: an engine around its engine has every row end where the workload says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transformers import Qwen3ForCausalLM

from hack.bench.generators import NeverStopped
from hack.bench.models import CONTEXT, END, PAD, as_text, make_tokenizer
from hack.bench.workloads import Workload
from trainyard_api.algorithm import GRPOConfig
from trainyard_trainer.algorithms.advantages import with_advantages
from trainyard_trainer.algorithms.update import prepare_batch, updates
from trainyard_trainer.chat.renderer import TextRenderer
from trainyard_trainer.environment import Prompt, Question
from trainyard_trainer.models.load import LoadedModel
from trainyard_trainer.policy.settings import PolicySettings
from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.randomness import StreamKey
from trainyard_trainer.rewards.reward import WeightedReward
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.rollouts.in_process import SynchronousRollouts
from trainyard_trainer.rollouts.plans import training_plan
from trainyard_trainer.sampling.engine import Engine, Generation, Session
from trainyard_trainer.sampling.in_process.reading import CachedModel
from trainyard_trainer.sampling.in_process.sampler import InProcessEngine
from trainyard_trainer.sampling.in_process.slot_decoder import SlotDecoder
from trainyard_trainer.tasks.question_answer import QuestionAnswerTask
from trainyard_trainer.trajectory import Sampling, Trajectory

LEARNING_RATE = "1e-6"


@dataclass(frozen=True, slots=True)
class EndingEngine:
    """See `sampling.engine.Engine`; the row of prompt p and sample s ends at `lengths[p * group + s]`."""

    engine: Engine
    lengths: Sequence[int]
    group: int

    def open_session(self) -> Session:
        """Opens the engine's own."""
        return self.engine.open_session()

    def close_session(self, session: Session) -> None:
        """Closes the engine's own."""
        self.engine.close_session(session)

    async def generate(
        self, session: Session, prompt_ids: Sequence[int], sampling: Sampling, key: StreamKey
    ) -> Generation:
        """Samples one turn of exactly the length that was asked for."""
        length = self.lengths[key.prompt * self.group + key.sample]
        forced = replace(sampling, max_new_tokens=length, stop_ids=())
        return await self.engine.generate(session, prompt_ids, forced, key)


class OwnStep:
    """A policy and everything that a step of it needs.

    Args:
        model: is trained.
        workload: prompts, groups and lengths of every step.
        reward: of the ids that were sampled in a row.
    """

    def __init__(self, model: Qwen3ForCausalLM, workload: Workload, reward: Callable[[Sequence[int]], float]) -> None:
        questions = list(dict.fromkeys(workload.prompts))
        group = len(workload.prompts) // len(questions)
        self._config = GRPOConfig(
            steps=1,
            prompts_per_step=len(questions),
            group_size=group,
            learning_rate=LEARNING_RATE,
            max_turn_tokens=max(workload.lengths),
        )
        self._prompts = [Prompt(0, index, Question(as_text(ids), "")) for index, ids in enumerate(questions)]
        self._rewards = [
            WeightedReward("reward", 1.0, "spec.task.rewards[0]", lambda trajectory: reward(_sampled(trajectory)))
        ]
        loaded = LoadedModel(model, make_tokenizer(model.config.vocab_size), PAD, context_length=CONTEXT)
        self._policy = TorchPolicy(loaded, PolicySettings(learning_rate=float(LEARNING_RATE)))
        self._policy.prepare(max(len(ids) for ids in questions) + max(workload.lengths))
        engine = InProcessEngine(self._policy, NeverStopped(), SlotDecoder(CachedModel(self._policy)))
        task = QuestionAnswerTask({"dialogue": "text", "stop": END})
        self._rollouts = SynchronousRollouts(
            engine=EndingEngine(engine, workload.lengths, group),
            task=task,
            task_name="qa",
            renderer=TextRenderer(loaded.vocabulary, task),
            run="bench",
            seed=0,
            stop=NeverStopped(),
            context_length=CONTEXT,
        )
        self._done = 0

    def run(self, now: Callable[[], float]) -> Mapping[str, Any]:
        """Runs one step; returns seconds of `rollout` and `update` by the clock `now`, and the `tokens` sampled."""
        began = now()
        prompts = [replace(prompt, step=self._done) for prompt in self._prompts]
        rolled_out = sorted(
            self._rollouts.rollout(prompts, training_plan(self._config)), key=lambda trajectory: trajectory.id
        )
        scored = with_advantages(score(rolled_out, self._rewards), self._config)
        between = now()
        batch = prepare_batch(self._policy, scored, self._config, step=self._done)
        for _ in updates(self._policy, batch, self._config, seed=0):
            pass
        self._done += 1
        tokens = sum(trajectory.policy_tokens for trajectory in rolled_out)
        return {"rollout": between - began, "update": now() - between, "tokens": tokens}


def _sampled(trajectory: Trajectory) -> list[int]:
    (segment,) = trajectory.segments
    return [token for token, chosen in zip(segment.token_ids, segment.mask, strict=True) if chosen]
