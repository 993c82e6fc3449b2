"""Lines of JSON: everything of a step, in strict JSON."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainyard_trainer.trajectories import policy_turn, trajectory
from trainyard_trainer.ledger.trajectory_log import TrajectoryLog
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics
from trainyard_trainer.trajectory import CallOutcome


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


def test_texts_that_no_file_can_hold_are_cleaned(tmp_path: Path) -> None:
    """Halves of surrogate pairs and NUL, in texts and in names, wherever they stand; the rest is as it was."""
    odd, clean = "a\ud83d\x00é", "a\ufffd\ufffdé"
    turn = replace(policy_turn(1, 4), text=odd, calls=(CallOutcome(odd, odd, ok=False),), tool_result=odd)
    one = trajectory(1.0, answer=odd, error=odd, question=odd, turns=(turn,), rewards={odd: 1.0})
    log = TrajectoryLog(tmp_path)
    log.record_step([one], StepMetrics("step", 0, 1, {odd: 0.5}))
    log.record_evaluation(StepMetrics("evaluation", 0, 0, {}), [one])
    log.record_checkpoint(SavedCheckpoint(1, "file:///x/", "sha256:" + "0" * 64, 10, {odd: odd}, None))
    written = {path.stem: json.loads(path.read_text(encoding="utf-8").splitlines()[0]) for path in tmp_path.iterdir()}
    for kept in (written["trajectories"], written["answers"]):
        assert (kept["answer"], kept["error"], kept["question"], kept["rewards"]) == (clean, clean, clean, {clean: 1.0})
        assert (kept["turns"][0]["text"], kept["turns"][0]["tool_result"]) == (clean, clean)
        assert kept["turns"][0]["calls"] == [{"call": clean, "result": clean, "ok": False}]
    assert written["metrics"]["values"] == {clean: 0.5}
    assert written["checkpoints"]["metrics"] == {clean: clean}


def test_the_last_line_of_a_step_says_how_many_came_before(tmp_path: Path) -> None:
    """So that a tail that is lost is seen; a fine-tuning's step has none."""
    log = TrajectoryLog(tmp_path)
    log.record_step([trajectory(1.0), trajectory(0.0, sample=1)], StepMetrics("step", 0, 1, {}))
    log.record_step([], StepMetrics("step", 1, 2, {}))
    log.record_evaluation(StepMetrics("validation", 2, 2, {}), [trajectory(1.0)])
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["trajectories"] for line in lines] == [2, 0, 1]


def test_what_is_no_record_is_taken_out_and_kept_when_asked(tmp_path: Path) -> None:
    """Under a name of its own each time; only of files that change, and only at the next rewind."""
    log = TrajectoryLog(tmp_path)
    log.record_step([trajectory(1.0)], StepMetrics("step", 0, 1, {}))
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    for number, garbage in enumerate((b"[1]\n", b"\xff\n", b'{"kind": "step"}\n', b"half")):
        (tmp_path / "metrics.jsonl").write_bytes(whole + garbage)
        if number < 2:
            log.keep_former()
        log.rewind(1)
        assert (tmp_path / "metrics.jsonl").read_bytes() == whole
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("*.broken*")}
    assert kept == {"metrics.jsonl.broken": whole + b"[1]\n", "metrics.jsonl.broken-2": whole + b"\xff\n"}


def test_a_folder_in_a_file_s_place_is_moved_aside(tmp_path: Path) -> None:
    """With all that is in it."""
    (tmp_path / "answers.jsonl").mkdir()
    (tmp_path / "answers.jsonl" / "notes").write_text("mine")
    log = TrajectoryLog(tmp_path)
    log.rewind(0)
    log.record_evaluation(StepMetrics("evaluation", 0, 0, {}), [trajectory(1.0)])
    assert (tmp_path / "answers.jsonl.broken" / "notes").read_text() == "mine"
    assert (tmp_path / "answers.jsonl").read_bytes().count(b"\n") == 1


def test_flushing_brings_every_file_and_its_name_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are there, and the folder after them."""
    log = TrajectoryLog(tmp_path)
    log.record_step([trajectory(1.0)], StepMetrics("step", 0, 1, {}))
    flushed: list[Path] = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (flushed.append(Path(f"/proc/self/fd/{file}").readlink()), real(file))
    )
    log.flush()
    assert flushed == [tmp_path / "trajectories.jsonl", tmp_path / "metrics.jsonl", tmp_path]


def test_what_is_recorded_again_takes_the_former_s_place(tmp_path: Path) -> None:
    """An evaluation that is repeated after a stop, and a checkpoint that is claimed again."""
    log = TrajectoryLog(tmp_path)
    for answers in ([trajectory(0.0), trajectory(0.0, prompt=1)], [trajectory(1.0)]):
        log.record_evaluation(StepMetrics("evaluation", 0, 0, {"success_rate": 0.5}), answers)
        log.record_checkpoint(SavedCheckpoint(0, "file:///x/", "sha256:" + "0" * 64, 10, {}, None))
    for name, count in (("answers", 1), ("evaluations", 1), ("metrics", 1), ("checkpoints", 1)):
        assert len((tmp_path / f"{name}.jsonl").read_text().splitlines()) == count


@pytest.mark.parametrize("target", ["metrics.jsonl", "../escaped.jsonl"], ids=["loop", "outside"])
def test_a_link_in_a_files_place_is_moved_aside(tmp_path: Path, target: str) -> None:
    """It isn't followed: neither read for ever, nor written to elsewhere."""
    folder = tmp_path / "run"
    log = TrajectoryLog(folder)
    (folder / "metrics.jsonl").symlink_to(target)
    (fault,) = log.contents().faults
    assert "is no file" in str(fault)
    log.rewind(0)
    log.record_step([], StepMetrics("step", 0, 1, {}))
    log.flush()
    assert (folder / "metrics.jsonl").is_file()
    assert not (folder / "metrics.jsonl").is_symlink()
    assert (folder / "metrics.jsonl.broken").is_symlink()
    assert not (tmp_path / "escaped.jsonl").exists()
