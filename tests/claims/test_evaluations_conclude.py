"""What a run says of itself is what its measurements allow: improved, no evidence, worse; and it ends when it is idle.

Runs in this process, of a task that a random model can already do now and then: end an answer that begins with a digit.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trainyard_trainer.scripted import Told, exam, learned, sinks
from tests.trainyard_trainer.stopping import Stop
from trainyard_api.manifest import check_manifest
from trainyard_api.progress import Verdict
from trainyard_trainer.checkpoints.files import all_committed
from trainyard_trainer.local.local_checkpoints import checkpoint_name
from trainyard_trainer.local.local_run import run_here
from trainyard_trainer.storage.storage_folder import FolderStorage
from trainyard_trainer.training.evaluate import evaluate_after, evaluate_before
from trainyard_trainer.training.train_state import TrainState

pytestmark = pytest.mark.learning

EXAMPLE = Path(__file__).parents[2] / "crds" / "examples" / "calculator-sft.yaml"
MODULE = """
from trainyard_trainer.environment import Observation
from trainyard_trainer.tasks.calculator import CalculatorEnvironment, CalculatorTask


class Digit(CalculatorTask):
    def environment(self):
        return DigitEnvironment()


class DigitEnvironment(CalculatorEnvironment):
    async def step(self, turn):
        right = turn.text[:1].isdigit()
        return Observation(done=True, answer=self._expected if right else "", success=right)
"""


def run(folder: Path, name: str, algorithm: dict[str, Any], evaluation: dict[str, Any], **spec: Any) -> Path:
    """Run a job of the digit task; the folder of the run."""
    body = yaml.safe_load(EXAMPLE.read_text())
    body["metadata"]["name"] = name
    (folder / "digit.py").write_text(MODULE)
    task = {"name": "Digit", "rewards": [{"name": "exact"}], "module": {"name": "digit", "key": "digit.py"}}
    body["spec"] |= {"algorithm": algorithm, "task": task, "evaluation": evaluation} | spec
    run_here(check_manifest(body), folder / f"{name}.yaml", folder, Stop())
    (found,) = (folder / "team-a" / name).iterdir()
    return found


def lines(run_folder: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a run's file."""
    return [json.loads(line) for line in (run_folder / name).read_text().splitlines()]


def grpo(learning_rate: str, steps: int) -> dict[str, Any]:
    """GRPO that learns the digit task within a few steps, given a rate."""
    settings = {"steps": steps, "promptsPerStep": 8, "groupSize": 8, "learningRate": learning_rate}
    return {"type": "GRPO", "seed": 0, "grpo": settings}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """Three runs: a start, one that learned from it, and one that couldn't."""
    folder = tmp_path_factory.mktemp("runs")
    asked = {"questions": 100}
    start = run(
        folder, "start", {"type": "SFT", "sft": {"steps": 1, "learningRate": "0"}}, asked, model={"scratch": {}}
    )
    model = {"checkpoint": {"trainingJob": "start"}}
    learned = run(folder, "learned", grpo("2e-2", 10), asked | {"samples": 2}, model=model)
    idle = {"everySteps": 1, "questions": 40, "earlyStopping": {"patience": 2}}
    still = run(folder, "still", grpo("0", 10), asked | {"validation": idle}, model=model)
    return folder, {"start": start, "learned": learned, "still": still}


def name_of(folder: Path, job: str) -> str:
    """The name of a job's newest checkpoint."""
    return checkpoint_name(all_committed(FolderStorage(folder), f"team-a/{job}/")[0].manifest)


def test_a_run_that_learned_is_called_improved(world: tuple[Path, dict[str, Path]]) -> None:
    """The paired difference and its interval are above 0; the numbers are those of the two measurements."""
    first, last = lines(world[1]["learned"], "evaluations.jsonl")
    assert first["result"] is None
    result = last["result"]
    assert result["verdict"] == "Improved", result
    assert result["test"] == "SignFlip"
    assert float(result["intervalLow"]) > 0
    assert float(result["pValue"]) < 0.05
    assert len(lines(world[1]["learned"], "answers.jsonl")) == 2 * 2 * 100


def test_a_run_that_learned_nothing_is_not_and_ends_early(world: tuple[Path, dict[str, Path]]) -> None:
    """With a rate of 0 every measurement repeats: two validations without a rise end it after 3 of 10 steps."""
    still = world[1]["still"]
    measured = [(line["kind"], line["step"]) for line in lines(still, "evaluations.jsonl")]
    assert measured == [("evaluation", 0), *(("validation", step) for step in (1, 2, 3)), ("evaluation", 3)]
    result = lines(still, "evaluations.jsonl")[-1]["result"]
    assert (result["verdict"], result["difference"], result["pValue"]) == ("NoEvidence", "0.0000", "1.000000")
    rates = {line["values"]["success_rate"] for line in lines(still, "metrics.jsonl") if line["kind"] == "validation"}
    assert len(rates) == 1
    assert 0 < rates.pop() < 1
    assert {line["step"] for line in lines(still, "checkpoints.jsonl")} == {1, 3}, "the best state, and the last"


def test_no_query_of_a_measurement_is_trained_on(world: tuple[Path, dict[str, Path]]) -> None:
    """Of the answers and trajectories that the runs left."""
    for name in ("learned", "still"):
        answers = lines(world[1][name], "answers.jsonl")
        asked = {
            kind: {one["question"] for one in answers if one["kind"] == kind} for kind in ("evaluation", "validation")
        }
        trained = {one["question"] for one in lines(world[1][name], "trajectories.jsonl")}
        assert not trained & (asked["evaluation"] | asked["validation"])
        assert not asked["evaluation"] & asked["validation"]


@pytest.mark.parametrize(
    ("model", "baseline", "verdict"),
    [("learned", "start", "Improved"), ("start", "learned", "Worse"), ("still", "start", "NoEvidence")],
)
def test_two_checkpoints_are_compared_without_training(
    model: str, baseline: str, verdict: str, world: tuple[Path, dict[str, Path]]
) -> None:
    """In either order; rows of both, a conclusion, no step, and no checkpoint."""
    folder = world[0]
    found = run(
        folder,
        f"{model}-against-{baseline}",
        {"type": "Evaluation"},
        {"questions": 100, "baseline": {"checkpoint": name_of(folder, baseline)}},
        model={"checkpoint": {"trainingJob": model}},
    )
    first, last = lines(found, "evaluations.jsonl")
    assert (first["kind"], last["kind"], first["result"]) == ("baseline", "evaluation", None)
    assert last["result"]["verdict"] == verdict, last
    assert [line["kind"] for line in lines(found, "metrics.jsonl")] == ["baseline", "evaluation"]
    assert all_committed(FolderStorage(folder), f"team-a/{found.parent.name}/") == []


def test_a_policy_that_does_not_change_is_seldom_called_improved() -> None:
    """Of 200 runs whose answers are new draws of the same chances at most 5 % say improved.

    The level of 5 % is two-sided, so of 200 more than 10 are called improved with a probability below 0.02.
    """
    words = []
    for seed in range(200):
        chances = random.Random(seed)
        hard = [chances.random() for _ in range(60)]
        made, _ = exam(lambda _, query, __, hard=hard, chances=chances: chances.random() < hard[query], questions=60)
        told, position = Told(), TrainState()
        evaluate_before(learned(7), made, sinks(told), position)
        evaluate_after(learned(7), made, sinks(told), position)
        result = told.evaluations[-1][2]
        assert result is not None
        words.append(result.verdict)
    assert words.count(Verdict.IMPROVED) <= 0.05 * len(words), words.count(Verdict.IMPROVED)
    assert words.count(Verdict.NO_EVIDENCE) >= 0.9 * len(words)
