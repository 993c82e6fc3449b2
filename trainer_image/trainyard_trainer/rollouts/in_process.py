"""Rollouts in this process: every conversation is one coroutine, and all run side by side.

Place in the data's way: station 5. Implements `rollouts.source.RolloutSource` on an engine, a task and a renderer. The
engine batches what conversations ask for; environments answer meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from trainyard_trainer.chat.renderer import Renderer
from trainyard_trainer.environment import Observation, Prompt, Said
from trainyard_trainer.errors import DroppedError
from trainyard_trainer.randomness import StreamKey
from trainyard_trainer.rollouts.conversation import Conversation
from trainyard_trainer.rollouts.guarded_environment import STEP_SECONDS, FailedEnvironmentError, GuardedEnvironment
from trainyard_trainer.rollouts.source import RolloutPlan
from trainyard_trainer.sampling.engine import Engine, Generation, Session
from trainyard_trainer.stop import StopRequest
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.trajectory import FinishReason, Role, Sampling, Trajectory, TrajectoryId, TrajectoryStatus

MAX_CONVERSATIONS = 1024
"""Conversations that are open at a time; further prompts wait."""
MAX_TURNS = "max_turns"
MAX_TURN_TOKENS = "max_turn_tokens"
CONTEXT_LENGTH = "context_length"
STOP_POLL_SECONDS = 0.2
"""How often a stop is looked for while environments keep everybody waiting."""


class SynchronousRollouts:
    """Makes the rollouts of one run; see `rollouts.source.RolloutSource`.

    Args:
        engine: samples.
        task: makes environments.
        task_name: for the trajectories.
        renderer: what is said, as token ids, and back.
        run: uid of the run, for the trajectories.
        seed: the run's.
        stop: asked while conversations run.
        context_length: most tokens of a conversation; None for no limit.
        step_seconds: how long an environment may take for one reset or step.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        task: Task,
        task_name: str,
        renderer: Renderer,
        run: str,
        seed: int,
        stop: StopRequest,
        context_length: int | None = None,
        step_seconds: float = STEP_SECONDS,
    ) -> None:
        self._engine = engine
        self._task = task
        self._task_name = task_name
        self._renderer = renderer
        self._run = run
        self._seed = seed
        self._stop = stop
        self._context_length = context_length
        self._step_seconds = step_seconds

    def rollout(self, prompts: Sequence[Prompt], plan: RolloutPlan) -> Iterator[Trajectory]:
        """Yields `plan.group_size` trajectories of each prompt, as they finish."""
        prompts_at_a_time = max(1, MAX_CONVERSATIONS // plan.group_size)
        with asyncio.Runner() as runner:
            for first in range(0, len(prompts), prompts_at_a_time):
                conversations = _Running(self._stop)
                runner.run(self._begin(prompts[first : first + prompts_at_a_time], plan, conversations))
                while conversations.running:
                    yield from runner.run(conversations.finished())

    async def _begin(self, prompts: Sequence[Prompt], plan: RolloutPlan, running: _Running) -> None:
        """Opens all conversations, in their order, before any of them samples."""
        for prompt in prompts:
            for sample in range(plan.group_size):
                identity = TrajectoryId(self._run, prompt.step, prompt.index, sample)
                conversation = Conversation(identity, self._task_name, prompt.question)
                running.start(self._converse(conversation, self._engine.open_session(), plan))

    async def _converse(self, conversation: Conversation, session: Session, plan: RolloutPlan) -> Trajectory:
        """Runs one conversation from its prompt to its end."""
        try:
            environment = GuardedEnvironment(self._task, self._step_seconds)
            await self._open(conversation, environment)
            while conversation.status is None:
                await self._turn(conversation, environment, session, plan)
        except FailedEnvironmentError as error:
            conversation.end(TrajectoryStatus.FAILED_ENVIRONMENT, error=str(error))
        finally:
            self._engine.close_session(session)
        return conversation.trajectory()

    async def _open(self, conversation: Conversation, environment: GuardedEnvironment) -> None:
        said = await environment.reset(conversation.question)
        ids = _written(lambda: self._renderer.opening(said))
        conversation.hear(Role.PROMPT, self._text(said, ids), ids)

    async def _turn(
        self, conversation: Conversation, environment: GuardedEnvironment, session: Session, plan: RolloutPlan
    ) -> None:
        """Lets the policy say one turn and the environment answer it, or ends the conversation."""
        sampling = self._sampling(plan)
        room = sampling.max_new_tokens
        if self._context_length is not None:
            room = self._context_length - len(conversation)
        if room < 1:
            conversation.end(TrajectoryStatus.TRUNCATED, truncated_reason=CONTEXT_LENGTH)
            return
        limited = replace(sampling, max_new_tokens=min(room, sampling.max_new_tokens))
        started_at = datetime.now(UTC)
        key = self._key(conversation, plan)
        generation = await self._engine.generate(session, conversation.unread, limited, key)
        turn = self._renderer.turn(generation.token_ids)
        if generation.finish_reason is not FinishReason.STOP:
            conversation.say(generation, turn, limited, started_at, None)
            reason = CONTEXT_LENGTH if room < sampling.max_new_tokens else MAX_TURN_TOKENS
            conversation.end(TrajectoryStatus.TRUNCATED, truncated_reason=reason)
            return
        try:
            observation = await environment.step(turn)
            ids = () if observation.done else self._reply(observation.reply, generation)
        except FailedEnvironmentError:
            conversation.say(generation, turn, limited, started_at, None)
            raise
        conversation.say(generation, turn, limited, started_at, observation)
        self._answer(conversation, observation, ids, plan.max_turns)

    def _answer(
        self, conversation: Conversation, observation: Observation, ids: tuple[int, ...], max_turns: int
    ) -> None:
        """Appends what the environment replied, unless the conversation ends with it."""
        if observation.done:
            conversation.end(TrajectoryStatus.OK)
        elif conversation.policy_turns >= max_turns:
            conversation.end(TrajectoryStatus.TRUNCATED, truncated_reason=MAX_TURNS)
        elif self._context_length is not None and len(conversation) + len(ids) >= self._context_length:
            conversation.end(TrajectoryStatus.TRUNCATED, truncated_reason=CONTEXT_LENGTH)
        else:
            text = self._text(observation.reply, ids)
            conversation.hear(Role.TOOL, text, ids, observation=observation)

    def _reply(self, said: Said, generation: Generation) -> tuple[int, ...]:
        ended_by = generation.token_ids[-1] if generation.token_ids else None
        return _written(lambda: self._renderer.reply(said, ended_by))

    def _text(self, said: Said, ids: tuple[int, ...]) -> str:
        """Returns the text for people: plain text as it was said, messages as the template wrote them."""
        return said if isinstance(said, str) else self._renderer.text(ids)

    def _sampling(self, plan: RolloutPlan) -> Sampling:
        limit = self._task.max_turn_tokens if plan.max_new_tokens is None else plan.max_new_tokens
        return Sampling(plan.temperature, limit, tuple(self._renderer.stop_ids), plan.top_k, plan.top_p)

    def _key(self, conversation: Conversation, plan: RolloutPlan) -> StreamKey:
        identity = conversation.id
        return StreamKey(self._seed, plan.stream, identity.step, identity.prompt, identity.sample)


class _Running:
    """Runs conversations as tasks, and keeps the trajectories of those that have ended."""

    def __init__(self, stop: StopRequest) -> None:
        self.running: set[asyncio.Task[Trajectory]] = set()
        self._stop = stop
        self._ended: list[asyncio.Task[Trajectory]] = []
        self._changed = asyncio.Event()

    def start(self, conversation: object) -> None:
        """Runs a conversation."""
        task: asyncio.Task[Trajectory] = asyncio.get_running_loop().create_task(conversation)  # type: ignore[arg-type]
        self.running.add(task)
        task.add_done_callback(self._on_end)

    async def finished(self) -> list[Trajectory]:
        """Waits for a trajectory and returns all that ended since the last call.

        Raises:
            DroppedError: a stop was asked for. Whatever else a conversation raised is raised, too: it isn't
                an environment's fault.
        """
        while not self._ended:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), STOP_POLL_SECONDS)
            except TimeoutError:
                if self._stop.requested():
                    raise DroppedError from None
        ended, self._ended = self._ended, []
        self.running.difference_update(ended)
        return [task.result() for task in ended]

    def _on_end(self, task: asyncio.Task[Trajectory]) -> None:
        if not task.cancelled():
            task.exception()  # looked at: of many that fail for one reason, only the first is raised
        self._ended.append(task)
        self._changed.set()


def _written(write: Callable[[], tuple[int, ...]]) -> tuple[int, ...]:
    """Encodes what an environment said; what can't be encoded is the environment's failure."""
    try:
        ids = write()
    except ValueError as error:
        raise FailedEnvironmentError(f"said what can't be written: {error}") from error
    if not ids:
        raise FailedEnvironmentError("said nothing")
    return ids
