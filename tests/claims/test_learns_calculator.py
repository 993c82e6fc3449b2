"""The agent learns to use its calculator, on every seed, and controls that can't learn don't.

The manifests of `crds/examples/`, run in this process on one thread; a control differs from them in its
manifest, or trains the tool's tokens too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.claims.learning_runs import EXAMPLES, Unmasked
from tests.trainyard_trainer.stopping import Stop
from trainyard_api.manifest import check_manifest
from trainyard_trainer.local.local_run import run_here
from trainyard_trainer.training import components

pytestmark = pytest.mark.learning

SEEDS = (0, 1, 2)
STEPS_THAT_COUNT = 31


@dataclass(frozen=True)
class Result:
    """Held-out success before and after, success of each step's trajectories, and every trajectory."""

    before: float
    after: float
    success: list[float]
    trajectories: list[dict[str, Any]]

    @property
    def early_success(self) -> float:
        """Mean over steps 0-30: a fault that slows learning shows here when the end hides it."""
        return sum(self.success[:STEPS_THAT_COUNT]) / STEPS_THAT_COUNT


def run(output: Path, example: str, seed: int, **grpo: Any) -> Result:
    """Run an example with another seed and other settings; the newest run's files."""
    path = EXAMPLES / f"{example}.yaml"
    body = yaml.safe_load(path.read_text())
    body["spec"]["algorithm"]["seed"] = seed
    body["spec"]["task"]["rewards"] = grpo.pop("rewards", body["spec"]["task"]["rewards"])
    body["spec"]["algorithm"].get("grpo", {}).update(grpo)
    known = set(output.glob(f"team-a/{example}/*"))
    run_here(check_manifest(body), path, output, Stop())
    (folder,) = set(output.glob(f"team-a/{example}/*")) - known
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    before, after = (m["values"]["success_rate"] for m in metrics if m["kind"] == "evaluation")
    rows = folder / "trajectories.jsonl"
    return Result(
        before,
        after,
        [m["values"].get("success_rate", 0.0) for m in metrics if m["kind"] == "step"],
        [json.loads(line) for line in rows.read_text().splitlines()] if rows.exists() else [],
    )


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """For each seed, an output folder in which calculator-sft has ended."""
    folders = {seed: tmp_path_factory.mktemp(f"seed-{seed}") for seed in SEEDS}
    for seed, folder in folders.items():
        run(folder, "calculator-sft", seed)
    return folders


@pytest.fixture(scope="module")
def learner(warm: dict[int, Path]) -> Result:
    """calculator-grpo on seed 0."""
    return run(warm[0], "calculator-grpo", 0)


def assert_learns(result: Result) -> None:
    """The bars: before at most 0.35, a rise of at least 0.5, early success of at least 0.70."""
    assert result.before <= 0.35, result.before
    assert result.after - result.before >= 0.5, (result.before, result.after)
    assert result.early_success >= 0.70, result.early_success


def test_learns_on_seed_0(learner: Result) -> None:
    """Held-out success rises by at least 0.5, and it rises early."""
    assert_learns(learner)


@pytest.mark.parametrize("seed", SEEDS[1:])
def test_learns_on_other_seeds(seed: int, warm: dict[int, Path]) -> None:
    """It is no luck of one seed."""
    assert_learns(run(warm[seed], "calculator-grpo", seed))


def test_without_a_learning_rate_nothing_is_learned(warm: dict[int, Path]) -> None:
    """The control moves no weight: success is the same before and after, and stays at or below 0.65."""
    result = run(warm[0], "calculator-grpo", 0, learningRate="0", steps=STEPS_THAT_COUNT)
    assert result.after == result.before
    assert result.early_success <= 0.65


def test_with_the_rewards_sign_flipped_success_is_unlearned(warm: dict[int, Path]) -> None:
    """Success is the task's verdict, not the reward: it stays at or below 0.65, and falls."""
    flipped = [{"name": "exact", "weight": "-1.0"}]
    result = run(warm[0], "calculator-grpo", 0, rewards=flipped, steps=STEPS_THAT_COUNT)
    assert result.early_success <= 0.65
    assert result.after < result.before


def test_who_learns_from_the_tools_words_learns_late(warm: dict[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Tool tokens in the loss: where held-out success rises in the end all the same, early success shows the fault."""
    monkeypatch.setattr(components, "SynchronousRollouts", Unmasked)
    assert run(warm[0], "calculator-grpo", 0, steps=STEPS_THAT_COUNT).early_success <= 0.65


def test_what_was_learned_is_to_call_the_tool_whose_tokens_are_not_trained(learner: Result) -> None:
    """Nearly every trajectory of the last step calls it; in none a prompt or tool token is masked in."""
    last = [t for t in learner.trajectories if t["id"]["step"] == 59]
    assert len(learner.trajectories) == 60 * 16 * 8
    assert sum(any(turn["calls"] for turn in t["turns"]) for t in last) >= 0.9 * len(last)
    for t in learner.trajectories:
        (segment,) = t["segments"]
        for turn in t["turns"]:
            assert set(segment["mask"][turn["start"] : turn["end"]]) == {turn["role"] == "policy"}
