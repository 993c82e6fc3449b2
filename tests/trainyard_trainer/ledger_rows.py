"""A run, its rollouts and its measurements, as a ledger is given them; and a ledger that hangs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg

from tests import servers
from trainyard_api.run_config import RunIdentity
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.trajectory import (
    CallOutcome,
    FinishReason,
    Role,
    Sampling,
    Segment,
    Trajectory,
    TrajectoryId,
    TrajectoryStatus,
    Turn,
)

RUN = RunIdentity(namespace="team-a", name="calculator", uid="11111111-2222-3333-4444-555555555555", attempt=1)
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def trajectory(step: int, prompt: int, sample: int, *, tokens: int = 8) -> Trajectory:
    """A rollout of two turns: half of the tokens are the prompt's."""
    half = tokens // 2
    segment = Segment(
        token_ids=tuple(range(tokens)),
        mask=(False,) * half + (True,) * half,
        logprobs=(math.nan,) * half + (-0.5,) * half,
        policy_versions=(step,) * tokens,
    )
    turns = (
        Turn(0, 0, half, Role.PROMPT, "2 + 2 =", NOW, 0.0),
        Turn(
            *(0, half, tokens, Role.POLICY, "add 2 2", NOW, 0.25),
            sampling=Sampling(1.0, 16, (3,)),
            finish_reason=FinishReason.STOP,
            calls=(CallOutcome("add 2 2", "4", ok=True), CallOutcome("add 2", "error: one number", ok=False)),
        ),
    )
    return Trajectory(
        id=TrajectoryId("a-run", step, prompt, sample),
        group=f"{step}/{prompt}",
        task="calculator",
        question="2 + 2",
        expected="4",
        status=TrajectoryStatus.OK,
        segments=(segment,),
        turns=turns,
        started_at=NOW,
        duration_seconds=0.5,
        answer="4",
        success=True,
        rewards={"exact": 1.0},
        total_reward=1.0,
        normalised_reward=0.5,
        advantage=0.5,
    )


def batch(step: int, prompts: int = 2, samples: int = 3) -> list[Trajectory]:
    """A step's rollouts."""
    return [trajectory(step, prompt, sample) for prompt in range(prompts) for sample in range(samples)]


def metrics(step: int, **values: float) -> StepMetrics:
    """A step's measurements."""
    return StepMetrics("step", step, step, values or {"reward_mean": 1.0, "rollout_seconds": 0.5})


@contextlib.contextmanager
def hanging(database: servers.Database) -> Iterator[None]:
    """Whoever writes for a run waits for its row inside the block, and hears nothing."""
    with psycopg.connect(database.owner) as connection:
        connection.execute("SELECT * FROM trainyard.runs FOR UPDATE")
        yield
