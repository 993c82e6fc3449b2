"""Conversations that say what an input says, through the rollouts and into both ledgers."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from hack.fuzz.kind import promise, writable
from trainyard_trainer.chat.renderer import Renderer
from trainyard_trainer.environment import Prompt, Question
from trainyard_trainer.ledger.rows import rows
from trainyard_trainer.ledger.trajectory_log import TrajectoryLog
from trainyard_trainer.randomness import Stream, StreamKey
from trainyard_trainer.rollouts.in_process import SynchronousRollouts
from trainyard_trainer.rollouts.source import RolloutPlan
from trainyard_trainer.sampling.engine import Generation, Session
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.trajectory import FinishReason, Sampling, Trajectory

MAX_TURNS = 4


class NeverStop:
    """Nobody asks for a stop."""

    def requested(self) -> bool:
        """Says whether a stop was asked for."""
        return False


class ScriptedEngine:
    """An engine that says given turns by the number of the prompt, and after the last one that one again.

    Attributes:
        open: conversations that nobody has closed.
    """

    def __init__(self, script: Mapping[int, Sequence[Sequence[int]]]) -> None:
        self._script = script
        self.open = 0

    def open_session(self) -> Session:
        """Opens a conversation; see `sampling.engine.Engine`."""
        self.open += 1
        session: Iterator[int] = iter(range(1_000_000))
        return session

    def close_session(self, session: Session) -> None:  # noqa: ARG002 (nothing is kept of it)
        """Closes the conversation."""
        self.open -= 1

    async def generate(
        self, session: Session, prompt_ids: Sequence[int], sampling: Sampling, key: StreamKey
    ) -> Generation:
        """Returns the script's next turn, cut off where it is too long."""
        promise(prompt_ids, "an engine is asked with something to read")
        turns = self._script[key.prompt]
        ids = tuple(turns[min(next(session), len(turns) - 1)])[: sampling.max_new_tokens]  # type: ignore[call-overload]
        ended = bool(ids) and ids[-1] in sampling.stop_ids
        reason = FinishReason.STOP if ended else FinishReason.LENGTH
        return Generation(ids, (-0.5,) * len(ids), reason, (0,) * len(ids))


def played(
    task: Task, renderer: Renderer, questions: Sequence[Question], script: Mapping[int, Sequence[Sequence[int]]]
) -> list[Trajectory]:
    """Plays one trajectory for each question, in their order; both ledgers could keep them."""
    engine = ScriptedEngine(script)
    source = SynchronousRollouts(
        engine=engine,
        task=task,
        task_name="fuzz",
        renderer=renderer,
        run="run-1",
        seed=0,
        stop=NeverStop(),
        context_length=4096,
    )
    prompts = [Prompt(0, index, question) for index, question in enumerate(questions)]
    plan = RolloutPlan(group_size=1, temperature=1.0, max_turns=MAX_TURNS, stream=Stream.TRAINING_TOKENS)
    found = sorted(source.rollout(prompts, plan), key=lambda trajectory: trajectory.id)
    promise(len(found) == len(questions), "every prompt has its trajectory")
    promise(engine.open == 0, "no conversation is left open")
    kept(found)
    return found


def kept(trajectories: Sequence[Trajectory]) -> None:
    """Holds trajectories to what the ledgers can keep: the local one writes them, Postgres' rows hold no odd text."""
    with tempfile.TemporaryDirectory() as folder:
        TrajectoryLog(Path(folder)).record_step(trajectories, StepMetrics("step", 0, 0, {}))
        for file in Path(folder).iterdir():
            for line in file.read_text(encoding="utf-8").removesuffix("\n").split("\n"):
                json.loads(line, parse_constant=_no_json)
    for table in rows("uid", 1, 0, trajectories).values():
        for row in table:
            for field in fields(row):
                _storable(getattr(row, field.name))


def _no_json(name: str) -> None:
    promise(False, f"a ledger's lines are JSON, which has no {name}")


def _storable(value: Any) -> None:
    if isinstance(value, str):
        writable(value)
    elif isinstance(value, float):
        promise(math.isfinite(value), f"rows hold no {value}")
    elif isinstance(value, list | tuple):
        for each in value:
            _storable(each)
