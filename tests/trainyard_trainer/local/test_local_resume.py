"""Which run without a cluster goes on, and under which config."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_trainer.run_configs import run_config
from trainyard_api.model_source import CheckpointSource
from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.local.local_resume import continued, keep_config, newest_run, require_unchanged

SFT = {"type": "SFT", "sft": {"steps": 1}}
GRPO = {"type": "GRPO", "seed": 0, "grpo": {"steps": 2, "learningRate": "1e-3", "kl": {"coefficient": "0.1"}}}
TASK = {
    "name": "calculator",
    "options": {"operators": "+"},
    "rewards": [{"name": "exact", "weight": "1.0"}, {"name": "turns", "weight": "-0.1"}],
}
EVALUATION = {"questions": 9, "validation": {"everySteps": 2, "questions": 3}}


def begun(folder: Path, uid: str, **changes: Any) -> RunConfig:
    """A run of a job that is kept in its folder."""
    run = {"namespace": "team-a", "name": "small", "uid": uid, "attempt": 1}
    config = run_config(SFT, run=run, **changes)
    keep_config(config, folder / "team-a" / "small" / uid)
    return config


def test_the_run_that_was_begun_last_goes_on(tmp_path: Path) -> None:
    """By when its config was written; None where there is none."""
    job_folder = tmp_path / "team-a" / "small"
    assert newest_run(job_folder) is None
    for time, uid in ((3, "a"), (9, "b"), (6, "c")):
        begun(tmp_path, uid)
        os.utime(job_folder / uid / "run.json", (time, time))
    (job_folder / "never-begun").mkdir()
    assert newest_run(job_folder).run.uid == "b"


def test_a_process_that_died_while_it_wrote_its_config_has_begun_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a config would make every later try to go on fail; the run before it still counts."""
    config = begun(tmp_path, "run-1")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    for place in ("fsync", "replace"):
        with monkeypatch.context() as dying:
            dying.setattr(*((os, "fsync", dies) if place == "fsync" else (Path, "replace", dies)))
            with pytest.raises(KeyboardInterrupt):
                begun(tmp_path, f"run-{place}")
        assert newest_run(tmp_path / "team-a" / "small") == config


def test_a_config_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that crashes right after leaves no empty file."""
    order: list[tuple[str, int | str]] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(file: int) -> None:
        path = Path(f"/proc/self/fd/{file}").readlink()
        order.append((path.name, path.stat().st_size if path.is_file() else "folder"))
        real_fsync(file)

    def replace(path: Path, target: Path) -> Path:
        order.append(("named", target.name))
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    begun(tmp_path, "run-1")
    size = (tmp_path / "team-a" / "small" / "run-1" / "run.json").stat().st_size
    assert order[-3:] == [(".run.json", size), ("named", "run.json"), ("run-1", "folder")]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the run config must be JSON"),
        (b'{"version": 1', "the run config must be JSON"),
        (b"[" * 100_000, "the run config must be JSON"),
        (b"\xff", "it isn't UTF-8, byte 1"),
        (b"{}", "this trainer understands version 1 only"),
        (b'{"version": 1, "surprise": 2}', "Field required"),
        (None, "it is no file"),
    ],
)
def test_a_config_that_is_not_whole_is_refused(tmp_path: Path, content: bytes | None, why: str) -> None:
    """With its path, why, and what to do; the run before isn't taken in its place, but is named."""
    begun(tmp_path, "older")
    begun(tmp_path, "newer")
    job_folder = tmp_path / "team-a" / "small"
    os.utime(job_folder / "older" / "run.json", (1, 1))
    path = job_folder / "newer" / "run.json"
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(RefusedError) as refused:
        newest_run(job_folder)
    assert (refused.value.reason, refused.value.field_path) == (TerminationReason.INVALID_RUN_CONFIG, str(path))
    said = str(refused.value)
    assert why in said
    assert f"move {path.parent} away to go on with the run before, older, or run without --resume" in said
    assert "\n" not in said
    assert len(said) < 800


def test_a_config_of_another_run_is_refused(tmp_path: Path) -> None:
    """Somebody copied the folder: rows and checkpoints would go on in the other one."""
    begun(tmp_path, "one")
    folder = tmp_path / "team-a" / "small"
    (folder / "one").rename(folder / "two")
    with pytest.raises(RefusedError, match=r"it is of another run.*got 'team-a/small/one'"):
        newest_run(folder)


CHANGES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "a number": (
        {"algorithm": GRPO | {"grpo": GRPO["grpo"] | {"learningRate": "2e-3"}}},
        "spec.algorithm.grpo.learningRate",
        "1e-3",
        "2e-3",
    ),
    "a default": ({"algorithm": GRPO | {"seed": 7}}, "spec.algorithm.seed", "0", "7"),
    "a number deep inside": (
        {"algorithm": GRPO | {"grpo": GRPO["grpo"] | {"kl": {"coefficient": "0.2"}}}},
        "spec.algorithm.grpo.kl.coefficient",
        "0.1",
        "0.2",
    ),
    "a member that is gone": (
        {"algorithm": GRPO | {"grpo": {"steps": 2, "learningRate": "1e-3"}}},
        "spec.algorithm.grpo.kl",
        '{"coefficient": "0.1", ',
        "nothing",
    ),
    "a member that is new": (
        {"algorithm": GRPO | {"lora": {"rank": 4}}},
        "spec.algorithm.lora",
        "nothing",
        '{"rank": 4',
    ),
    "an option": ({"task": TASK | {"options": {"operators": "+-"}}}, "spec.task.options.operators", "+", "+-"),
    "an item's member": (
        {"task": TASK | {"rewards": [TASK["rewards"][0], {"name": "turns", "weight": "-0.2"}]}},
        "spec.task.rewards[1].weight",
        "-0.1",
        "-0.2",
    ),
    "an item that is gone": (
        {"task": TASK | {"rewards": TASK["rewards"][:1]}},
        "spec.task.rewards[1]",
        '{"name": "turns", ',
        "nothing",
    ),
    "an item that is new": (
        {"task": TASK | {"rewards": [*TASK["rewards"], {"name": "graded"}]}},
        "spec.task.rewards[2]",
        "nothing",
        '{"name": "graded"',
    ),
    "the evaluation": ({"evaluation": EVALUATION | {"questions": 8}}, "spec.evaluation.questions", "9", "8"),
    "no evaluation": ({"evaluation": None}, "spec.evaluation", '{"questions": 9, ', "nothing"),
    "the model": ({"model": {"scratch": {"layers": 3}}}, "spec.model.scratch.layers", "2", "3"),
    "another kind of model": ({"model": {"path": "/m"}}, "spec.model.scratch", '{"', "nothing"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_member_that_changed_is_named_with_both_values(what: str) -> None:
    """The innermost one, also where it was added or taken away, or is an item of a list."""
    changes, path, was, got = CHANGES[what]
    members = {"algorithm": GRPO, "task": TASK, "evaluation": EVALUATION, "model": {"scratch": {"layers": 2}}}
    before, now = run_config(**members), run_config(**(members | changes))
    with pytest.raises(RefusedError) as refused:
        require_unchanged(before, now)
    assert (refused.value.reason, refused.value.field_path) == (TerminationReason.INVALID_MANIFEST, path)
    rule = str(refused.value.args[0])
    assert rule.startswith(f"must be what the run was begun with ({was}")
    assert "for it goes on; run without --resume to begin another" in rule
    assert refused.value.value.startswith(got)
    require_unchanged(before, before)


def test_all_members_that_changed_are_named() -> None:
    """The first with its values, the others by their paths; a long value is cut."""
    before = run_config(GRPO, task=TASK)
    text = "x" * 1000
    now = run_config(GRPO | {"seed": 7}, task=TASK | {"options": {"operators": text}}, evaluation=EVALUATION)
    with pytest.raises(RefusedError, match=r"\(changed too: spec.task.options.operators, spec.evaluation\); got '7'"):
        require_unchanged(before, now)
    with pytest.raises(RefusedError) as refused:
        require_unchanged(before, run_config(GRPO, task=TASK | {"options": {"operators": text}}))
    assert refused.value.value == "x" * 199 + "…"


def test_what_is_not_immutable_may_change_and_what_was_found_stays() -> None:
    """Tags and the rhythm of checkpoints are the new ones; identity, day and model those of the begin."""
    run = {"namespace": "team-a", "name": "small", "uid": "run-1", "attempt": 1}
    before = run_config(GRPO, run=run | {"beganOn": "2020-02-29"})
    storage = {"folder": {"directory": "/elsewhere"}}
    checkpoints = {"everySteps": 7, "storage": storage}
    now = run_config(GRPO, run=run | {"beganOn": "2026-01-01"}, tags={"a": "b"}, checkpoints=checkpoints)
    going = continued(before, now, None)
    assert (going.tags, going.checkpoints.every_steps, going.run.began_on) == ({"a": "b"}, 7, "2020-02-29")
    undated = run_config(GRPO, run=run)
    assert continued(undated, now, None).run.began_on is None


def pinned(job: str, uid: str, step: int) -> dict[str, Any]:
    """A model that is a checkpoint of a job."""
    return {
        "checkpoint": {
            "name": f"{job}-{uid}-1-{step}",
            "uri": f"file:///out/team-a/{job}/{uid}/step-{step}-abcdef01/",
            "digest": "sha256:" + "0" * 64,
            "storage": {"folder": {"directory": "/out"}},
        }
    }


def test_a_checkpoint_that_a_run_began_from_stays_the_one_that_was_found() -> None:
    """Its job may have a newer one by now; another job, another name, or another kind of model is a change."""
    before = run_config(GRPO, model=pinned("warm", "11111", 3))
    newer = run_config(GRPO, model=pinned("warm", "22222", 9))
    by_job, by_name = CheckpointSource(training_job="warm"), CheckpointSource(name="warm-22222-1-9")
    assert continued(before, newer, by_job).model == before.model
    for now, named, path, was, got in (
        (newer, by_name, "spec.model.checkpoint.name", "warm-11111-1-3", "warm-22222-1-9"),
        (run_config(GRPO, model=pinned("hot", "33333", 3)), by_job, "spec.model.checkpoint.name", "warm-1", "hot-3"),
        (run_config(GRPO), None, "spec.model.checkpoint", '{"name": "warm-11111-1-3"}', "nothing"),
    ):
        with pytest.raises(RefusedError) as refused:
            continued(before, now, named)
        assert refused.value.field_path == path
        assert f"({was}" in str(refused.value)
        assert refused.value.value.startswith(got)
    with pytest.raises(RefusedError) as refused:
        continued(run_config(GRPO), before, by_job)
    assert (refused.value.field_path, refused.value.value) == ("spec.model.scratch", "nothing")


def test_a_run_with_checkpoints_and_no_config_is_refused(tmp_path: Path) -> None:
    """A run that was paid for isn't passed over in silence, whether there is another or not."""
    job = tmp_path / "team-a" / "small"
    (job / "lost" / "step-9-12345678").mkdir(parents=True)
    assert newest_run(job) is None, "nothing is committed"
    (job / "lost" / "step-9-12345678" / "COMMIT").touch()
    for another in (False, True):
        if another:
            (job / "other").mkdir()
            (job / "other" / "run.json").touch()
        with pytest.raises(RefusedError, match="there is none, and checkpoints of the run lie beside it") as refusal:
            newest_run(job)
        assert refusal.value.field_path == str(job / "lost" / "run.json")
