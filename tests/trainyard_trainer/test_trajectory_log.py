"""Lines of JSON: everything of a step, in strict JSON."""

from __future__ import annotations

import json
from pathlib import Path

from tests.trainyard_trainer.trajectories import trajectory
from trainyard_trainer.ledger.trajectory_log import TrajectoryLog
from trainyard_trainer.outlets import SavedCheckpoint, StepMetrics


def test_records_are_lines_of_strict_json(tmp_path: Path) -> None:
    """NaN is null, times are ISO 8601, ids and tokens are complete."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    def lines(name: str) -> list[dict[str, object]]:
        text = (tmp_path / "run" / name).read_text(encoding="utf-8")
        return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]

    log = TrajectoryLog(tmp_path / "run")
    log.record_evaluation(StepMetrics("evaluation", 0, 0, {"success_rate": 0.25}), [trajectory(1.0)])
    for step in (0, 1):
        log.record_step(
            [trajectory(1.0), trajectory(0.0, sample=1)], StepMetrics("step", step, step + 1, {"loss": 0.5})
        )
    log.record_checkpoint(SavedCheckpoint(2, "file:///x/", "sha256:" + "0" * 64, 10, {}, None))
    first = lines("trajectories.jsonl")[0]
    assert len(lines("trajectories.jsonl")) == 4
    assert first["id"] == {"run": "run-1", "step": 0, "prompt": 0, "sample": 0}
    assert first["segments"][0]["logprobs"] == [None, -1.0, -1.0, -1.0]
    assert (first["status"], first["started_at"]) == ("ok", "2026-01-01T00:00:00+00:00")
    assert [(m["kind"], m["step"]) for m in lines("metrics.jsonl")] == [("evaluation", 0), ("step", 0), ("step", 1)]
    assert lines("checkpoints.jsonl")[0]["uri"] == "file:///x/"
    assert [(a["kind"], a["step"], a["question"]) for a in lines("answers.jsonl")] == [("evaluation", 0, "Q10+10;")]
    assert lines("evaluations.jsonl") == [{"kind": "evaluation", "step": 0, "result": None}]


def test_a_step_without_trajectories_leaves_no_empty_file(tmp_path: Path) -> None:
    """Supervised fine-tuning has metrics only."""
    TrajectoryLog(tmp_path).record_step([], StepMetrics("step", 0, 1, {}))
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_rewinding_takes_out_what_is_done_again_and_half_a_line(tmp_path: Path) -> None:
    """Late trajectories go with the step that trained on them; what stays, stays byte for byte."""
    log = TrajectoryLog(tmp_path)
    kept = {}
    for step in range(4):
        log.record_evaluation(StepMetrics("validation", step, step, {"success_rate": 0.5}), [trajectory(1.0)])
        if step == 2:
            kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        log.record_step([trajectory(1.0, prompt=step)], StepMetrics("step", step, step + 1, {"loss": 0.5}))
    with (tmp_path / "trajectories.jsonl").open("ab") as file:
        file.write(b'{"id": {"run": "caf\xc3')
    log.rewind(2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept


def test_what_is_recorded_again_takes_the_former_s_place(tmp_path: Path) -> None:
    """An evaluation that is repeated after a stop, and a checkpoint that is claimed again."""
    log = TrajectoryLog(tmp_path)
    for answers in ([trajectory(0.0), trajectory(0.0, prompt=1)], [trajectory(1.0)]):
        log.record_evaluation(StepMetrics("evaluation", 0, 0, {"success_rate": 0.5}), answers)
        log.record_checkpoint(SavedCheckpoint(0, "file:///x/", "sha256:" + "0" * 64, 10, {}, None))
    for name, count in (("answers", 1), ("evaluations", 1), ("metrics", 1), ("checkpoints", 1)):
        assert len((tmp_path / f"{name}.jsonl").read_text().splitlines()) == count
