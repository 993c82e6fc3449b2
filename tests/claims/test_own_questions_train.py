"""One's own questions need a file and nothing else: the task `qa`, a chat model, and lines of JSON beside the manifest.

A run in this process, of two steps; what is refused is refused before any of it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trainyard_trainer import chat_model
from trainyard_trainer.data.splits import Split, split_of
from trainyard_trainer.local.local import main

EXAMPLE = Path(__file__).parents[2] / "crds" / "examples" / "calculator-sft.yaml"
QUERIES = [f"What is {left}+{right}?" for left in range(10, 50) for right in range(5)]


def line(query: str) -> str:
    """A line of a data file; what nobody reads is told."""
    return json.dumps({"query": query, "expected_outcome": "1", "level": 3}) + "\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random chat model's folder."""
    return chat_model.write(tmp_path_factory.mktemp("chat"))


def run(folder: Path, model: Path, data: dict[str, str], **grpo: Any) -> int:
    """Run a job on these files; the exit code."""
    body = yaml.safe_load(EXAMPLE.read_text())
    settings = {"steps": 2, "promptsPerStep": 80, "groupSize": 2, "maxTurnTokens": 4, "learningRate": "1e-4", **grpo}
    sources = {}
    for name, content in data.items():
        (folder / f"{name}.jsonl").write_text(content)
        sources[name] = {"configMap": {"name": "questions", "key": f"{name}.jsonl"}}
    body["spec"] |= {
        "model": {"path": str(model)},
        "algorithm": {"type": "GRPO", "grpo": settings},
        "task": {"name": "qa", "rewards": [{"name": "exact"}], "data": sources},
        "evaluation": {"questions": 10, "validation": {"everySteps": 1, "questions": 5}},
    }
    # JSON: PyYAML would leave 1e-4 bare, which is a number.
    (folder / "job.yaml").write_text(json.dumps(body))
    return main(["run", str(folder / "job.yaml"), "--output", str(folder / "out")])


def asked(folder: Path, name: str) -> list[dict[str, Any]]:
    """The lines of the run's file."""
    (found,) = (folder / "out" / "team-a" / "calculator-sft").glob(f"*/{name}.jsonl")
    return [json.loads(text) for text in found.read_text().splitlines()]


def test_a_file_of_questions_trains_a_chat_model(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report is shown first; 80 prompts a step go through the training set evenly, and leave the others alone."""
    assert run(tmp_path, model, {"train": "".join(map(line, QUERIES))}) == 0
    shown = capsys.readouterr().out
    sets = Counter(split_of(query) for query in QUERIES)
    assert f"data: train: {sets[Split.TRAIN]} questions, 0 of them repeated; the longest prompt has " in shown
    assert "data: warning: spec.task.data.train: members that nobody reads: 'level' (200)" in shown
    trained = Counter(one["question"] for one in asked(tmp_path, "trajectories"))
    assert {split_of(query) for query in trained} == {Split.TRAIN}
    assert sum(trained.values()) == 2 * 80 * 2
    assert set(trained.values()) <= {2, 4}, "no query comes up again before all have"
    answers = asked(tmp_path, "answers")
    kinds = {
        one["kind"]: {split_of(other["question"]) for other in answers if other["kind"] == one["kind"]}
        for one in answers
    }
    assert kinds == {"evaluation": {Split.TEST}, "validation": {Split.VALIDATION}}


def test_ones_own_sets_may_not_share_a_query(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 20 with field and query, and no step."""
    files = {"train": QUERIES[:120], "validation": QUERIES[120:130], "test": [*QUERIES[130:140], QUERIES[7] + " "]}
    code = run(tmp_path, model, {name: "".join(map(line, queries)) for name, queries in files.items()})
    said = capsys.readouterr()
    assert code == 20
    assert "InvalidData" in said.err
    assert "spec.task.data.test: no test question may be a train question too" in said.err
    assert QUERIES[7] in said.err
    assert "step" not in said.out


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("", "train.jsonl: must hold at least one question"),
        (line("a") + "{\n" + line("b"), "train.jsonl line 2: must be one JSON object"),
        (line("What is " + "1" * 40_000 + "?"), "no train prompt may have more than"),
    ],
    ids=["empty", "broken in the middle", "too long for the model"],
)
def test_a_file_that_cannot_be_used_is_refused_before_any_work(
    content: str, rule: str, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 20, with the field, the rule, and where in the file."""
    kept = "".join(map(line, QUERIES))
    assert run(tmp_path, model, {"train": content if not content or "{\n" in content else kept + content}) == 20
    said = capsys.readouterr().err
    assert "spec.task.data.train: " in said
    assert rule in said
