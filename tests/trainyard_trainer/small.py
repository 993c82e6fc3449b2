"""Small runs for tests: a run config, and sinks that keep what they are told in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from tests.trainyard_trainer.policies import write
from tests.trainyard_trainer.run_configs import run_config
from trainyard_api.progress import Progress, ReportedEvaluation
from trainyard_api.run_config import RunConfig
from trainyard_trainer.algorithms.base import Algorithm
from trainyard_trainer.algorithms.plan import plan_of
from trainyard_trainer.chat.renderer import Renderer, make_renderer
from trainyard_trainer.checkpoints.files import TRAINER_STATE_FILE
from trainyard_trainer.checkpoints.resumable import Resumed
from trainyard_trainer.models.load import LoadedModel
from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.reporting.progress_reporter import ProgressReporter
from trainyard_trainer.rollouts.in_process import SynchronousRollouts
from trainyard_trainer.sampling.in_process.reading import CachedModel
from trainyard_trainer.sampling.in_process.sampler import InProcessEngine
from trainyard_trainer.sampling.in_process.slot_decoder import SlotDecoder
from trainyard_trainer.sinks import SavedCheckpoint, Snapshot, StepMetrics
from trainyard_trainer.stop import NeverStopped
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.training.algorithm_types import make_algorithm
from trainyard_trainer.training.components import Components
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.restore import restore
from trainyard_trainer.training.run_sinks import Sinks
from trainyard_trainer.training.train import train
from trainyard_trainer.training.train_state import TrainState
from trainyard_trainer.trajectory import Trajectory

GRPO = {"steps": 2, "promptsPerStep": 3, "groupSize": 4, "learningRate": "1e-3"}
SFT = {"steps": 2, "batchSize": 8, "learningRate": "3e-3"}


def config(kind: str = "GRPO", **changes: Any) -> RunConfig:
    """A run config of two steps; `changes` replace whole members by their wire name."""
    settings = {"grpo": GRPO} if kind == "GRPO" else {"sft": SFT}
    return run_config(**({"algorithm": {"type": kind, "seed": 0, **settings}} | changes))


@dataclass
class Outside(NeverStopped):
    """Ledger, reporter, checkpointer and stop request in one, all in memory."""

    steps: list[tuple[list[Trajectory], StepMetrics]] = field(default_factory=list)
    evaluations: list[StepMetrics] = field(default_factory=list)
    answers: list[list[Trajectory]] = field(default_factory=list)
    results: list[ReportedEvaluation | None] = field(default_factory=list)
    reports: list[Progress] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    rewound: list[int] = field(default_factory=list)
    hurried: int = 0
    stop_when: Callable[[Outside], bool] = lambda _: False

    def rewind(self, finished: int) -> None:
        self.rewound.append(finished)

    def record_step(self, trajectories: Sequence[Trajectory], metrics: StepMetrics) -> None:
        self.steps.append((list(trajectories), metrics))

    def record_evaluation(
        self, metrics: StepMetrics, answers: Sequence[Trajectory], result: ReportedEvaluation | None = None
    ) -> None:
        self.evaluations.append(metrics)
        self.answers.append(list(answers))
        self.results.append(result)

    def record_checkpoint(self, saved: SavedCheckpoint) -> None:
        raise AssertionError(f"the checkpointer claims {saved.uri}, not the loop")

    def report(self, progress: Progress, *, at_once: bool = False) -> None:
        self.reports.append(progress)
        self.hurried += at_once

    def save(self, snapshot: Snapshot) -> None:
        states = [(one.step, one.updates) for one in self.snapshots]
        if (snapshot.step, snapshot.updates) not in states:
            self.snapshots.append(snapshot)

    def save_last(self, snapshot: Snapshot) -> SavedCheckpoint:
        self.save(snapshot)
        return self.finish()

    def finish(self, given_up: Callable[[], bool] = lambda: False) -> SavedCheckpoint | None:  # noqa: ARG002
        if not self.snapshots:
            return None
        newest = self.snapshots[-1]
        uri = f"file:///x/{newest.step}/" if newest.updates is None else f"file:///x/{newest.step}-u{newest.updates}/"
        return SavedCheckpoint(newest.step, uri, "sha256:" + "0" * 64, 1, newest.metrics, None, newest.updates)

    def requested(self) -> bool:
        return self.stop_when(self)

    def edges(self) -> dict[str, Any]:
        """As keyword arguments of `run`."""
        return {"ledger": self, "reporter": self, "checkpointer": self, "stop": self}

    def sinks(self, steps: int, every_steps: int = 100) -> Sinks:
        """As the loop takes them."""
        return Sinks(self, ProgressReporter(self, steps), self, self, every_steps)


def renderer_of(chosen: TorchPolicy, task: Any = None) -> Renderer:
    """The renderer of a policy for the calculator task, or another."""
    return make_renderer(
        LoadedModel(chosen.model, chosen.tokenizer, chosen.pad_id).vocabulary, task or CalculatorTask({})
    )


def engine(chosen: Any, outside: Outside | None = None, slots: int = 256) -> InProcessEngine:
    """An engine of slots."""
    return InProcessEngine(chosen, outside or Outside(), SlotDecoder(CachedModel(chosen), slots))


def rollouts(chosen: TorchPolicy, outside: Outside | None = None, task: Any = None) -> SynchronousRollouts:
    """Rollouts of the calculator task, or of another, by this policy."""
    return SynchronousRollouts(
        engine=engine(chosen, outside),
        task=task or CalculatorTask({}),
        task_name="calculator",
        renderer=renderer_of(chosen, task),
        run="run-1",
        seed=0,
        stop=outside or Outside(),
    )


def components(outside: Outside, chosen: RunConfig | None = None, folder: Path | None = None) -> Components:
    """The components of a small run."""
    chosen = chosen or config()
    return Components(chosen, RunInputs(model=folder), outside, plan_of(chosen.algorithm))


def algorithm(outside: Outside, chosen: RunConfig | None = None) -> Algorithm:
    """The algorithm of a small run."""
    return make_algorithm((chosen or config()).algorithm, components(outside, chosen))


def go(outside: Outside, chosen: RunConfig, begun: Resumed | None = None, every_steps: int = 100) -> TrainState:
    """Train as a config says, from the beginning or from a snapshot; where the run stands then."""
    trained = algorithm(outside, chosen)
    state = TrainState() if begun is None else restore(trained, begun)
    train(trained, None, outside.sinks(trained.steps, every_steps), state)
    return state


def resumed(snapshot: Snapshot, folder: Path) -> Resumed:
    """A snapshot as a run finds it that goes on from it."""
    write(snapshot, folder)
    torch.save(dict(snapshot.trainer_state), folder / TRAINER_STATE_FILE)
    uri = f"file:///x/{snapshot.step}/"
    saved = SavedCheckpoint(snapshot.step, uri, "sha256:" + "0" * 64, 1, {}, None, snapshot.updates, attempt=1)
    return Resumed(saved, folder)


def scored(one: Trajectory, reward: float) -> Trajectory:
    """The trajectory with a reward, and the reward less a half as its advantage."""
    return replace(one, total_reward=reward, advantage=reward - 0.5)


PARTLY_RIGHT = {"name": "calculator", "rewards": [{"name": "positions"}]}
"""Rewards that differ even for an untrained model."""


def tensors(value: Any) -> list[torch.Tensor]:
    """All tensors in nested maps and lists, in a fixed order."""
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [tensor for item in items for tensor in tensors(item)]


def tokens(trajectories: Sequence[Trajectory]) -> list[tuple[int, ...]]:
    """Token ids of all segments."""
    return [segment.token_ids for one in trajectories for segment in one.segments]


def install_reward(folder: Path, name: str, body: str) -> None:
    """Make `folder`, once on sys.path, an installed package whose reward `name` has this body."""
    (folder / f"reward_{name}.py").write_text(f"def {name}(trajectory):\n    {body}\n")
    info = folder / f"reward_{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: reward-{name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[trainyard.rewards]\n{name} = reward_{name}:{name}\n")
