"""Rollouts in this process: all conversations of a batch take their turns together.

Place in the data's way: station 5. Implements `seams.RolloutSource` on an engine and a task. Rounds of turns: the
engine samples one turn for every open conversation, then all environments step side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from trainyard_trainer.models.codec import Codec
from trainyard_trainer.outlets import StopRequest
from trainyard_trainer.rollouts.conversation import Conversation
from trainyard_trainer.sampling.randomness import StreamKey
from trainyard_trainer.seams import Engine, Generation, GenerationRequest, Observation, Prompt, RolloutPlan
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.trajectory import FinishReason, Role, Sampling, Trajectory, TrajectoryId, TrajectoryStatus

MAX_CONVERSATIONS = 1024
"""Conversations that are open at a time; further prompts wait."""
MAX_TURNS = "max_turns"
MAX_TURN_TOKENS = "max_turn_tokens"


class SynchronousRollouts:
    """Rollouts of one run; see `seams.RolloutSource`.

    Args:
        engine: samples.
        task: makes environments.
        task_name: for the trajectories.
        codec: texts to token ids.
        run: uid of the run, for the trajectories.
        seed: the run's.
        version: the policy's version now.
        stop: asked between decode rounds.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        task: Task,
        task_name: str,
        codec: Codec,
        run: str,
        seed: int,
        version: Callable[[], int],
        stop: StopRequest,
    ) -> None:
        self._engine = engine
        self._task = task
        self._task_name = task_name
        self._codec = codec
        self._run = run
        self._seed = seed
        self._version = version
        self._stop = stop

    def rollout(self, prompts: Sequence[Prompt], plan: RolloutPlan) -> Iterator[Trajectory]:
        """`plan.group_size` trajectories of each prompt, as they finish."""
        prompts_at_a_time = max(1, MAX_CONVERSATIONS // plan.group_size)
        with asyncio.Runner() as runner:
            for first in range(0, len(prompts), prompts_at_a_time):
                chosen = prompts[first : first + prompts_at_a_time]
                yield from self._rounds(runner, chosen, plan)

    def _rounds(self, runner: asyncio.Runner, prompts: Sequence[Prompt], plan: RolloutPlan) -> Iterator[Trajectory]:
        sampling = Sampling(plan.temperature, self._task.max_turn_tokens, self._codec.stop_ids)
        running = runner.run(self._begin(prompts, plan.group_size))
        while running:
            yield from (conversation.trajectory() for conversation in running if conversation.status)
            running = [conversation for conversation in running if not conversation.status]
            requests = [
                GenerationRequest(conversation.session, conversation.unread, sampling, self._key(conversation, plan))
                for conversation in running
            ]
            started_at = datetime.now(UTC)
            generations = self._engine.generate(requests, self._stop.requested)
            runner.run(self._answer(running, generations, sampling, started_at, plan.max_turns))

    async def _begin(self, prompts: Sequence[Prompt], group_size: int) -> list[Conversation]:
        conversations = [
            Conversation(
                TrajectoryId(self._run, prompt.step, prompt.index, sample),
                self._task_name,
                prompt.question,
                self._task.environment(),
                self._engine.open_session(),
            )
            for prompt in prompts
            for sample in range(group_size)
        ]
        await asyncio.gather(*(self._open(conversation) for conversation in conversations))
        return conversations

    async def _open(self, conversation: Conversation) -> None:
        try:
            text = await conversation.environment.reset(conversation.question)
            ids = self._codec.prompt(text)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a user's code may raise anything; it fails this one only)
            conversation.end(TrajectoryStatus.FAILED_ENVIRONMENT, error=f"{type(error).__name__}: {error}")
            return
        conversation.hear(Role.PROMPT, text, ids, self._version())

    async def _answer(
        self,
        conversations: Sequence[Conversation],
        generations: Sequence[Generation],
        sampling: Sampling,
        started_at: datetime,
        max_turns: int,
    ) -> None:
        pairs = zip(conversations, generations, strict=True)
        await asyncio.gather(*(self._one(*pair, sampling, started_at, max_turns) for pair in pairs))

    async def _one(
        self,
        conversation: Conversation,
        generation: Generation,
        sampling: Sampling,
        started_at: datetime,
        max_turns: int,
    ) -> None:
        """Append a sampled turn and the environment's answer to it, or end the conversation."""
        text = self._codec.text(generation.token_ids)
        observation: Observation | None = None
        heard: tuple[int, ...] = ()
        error: BaseException | None = None
        if generation.finish_reason is FinishReason.STOP:
            try:
                # Whatever it is that comes back, reading it may fail this trajectory only.
                answer = await conversation.environment.step(text)
                heard = () if answer.done else self._codec.continuation(answer.text)
                observation = answer
            except (Exception, SystemExit) as raised:  # noqa: BLE001 (as above)
                error = raised
        conversation.say(generation, text, sampling, started_at, observation)
        if error is not None:
            conversation.end(TrajectoryStatus.FAILED_ENVIRONMENT, error=f"{type(error).__name__}: {error}")
        elif observation is None:
            conversation.end(TrajectoryStatus.TRUNCATED, truncated_reason=MAX_TURN_TOKENS)
        elif observation.done:
            conversation.end(TrajectoryStatus.OK)
        elif conversation.policy_turns >= max_turns:
            conversation.end(TrajectoryStatus.TRUNCATED, truncated_reason=MAX_TURNS)
        else:
            conversation.hear(Role.TOOL, observation.text, heard, self._version(), observation=observation)

    def _key(self, conversation: Conversation, plan: RolloutPlan) -> StreamKey:
        identity = conversation.id
        return StreamKey(self._seed, plan.stream, identity.step, identity.prompt, identity.sample)
