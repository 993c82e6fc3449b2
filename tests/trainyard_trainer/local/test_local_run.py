"""A TrainingJob in this process: the same manifest, with files where a cluster has servers."""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trainyard_trainer.small import Outside
from trainyard_api.manifest import check_manifest
from trainyard_api.training_job import TrainingJob
from trainyard_trainer.checkpoints.files import load_checkpoint, newest_committed
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.local.local_config import local_run_config
from trainyard_trainer.local.local_run import run_here
from trainyard_trainer.storage.storage_folder import FolderStorage

EXAMPLES = Path(__file__).parents[3] / "crds" / "examples"
GRPO = EXAMPLES / "calculator-grpo.yaml"
SMALL_SFT = {"steps": 3, "batchSize": 4, "learningRate": "1e-3"}
SMALL_GRPO = {"steps": 3, "promptsPerStep": 2, "groupSize": 2, "learningRate": "1e-3"}


def job(example: str, **changes: Any) -> TrainingJob:
    """An example with parts of its spec replaced."""
    body = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text())
    body["spec"] |= changes
    return check_manifest(body)


def sft(seed: int = 0) -> TrainingJob:
    """A short fine-tuning."""
    return job("calculator-sft", algorithm={"type": "SFT", "seed": seed, "sft": SMALL_SFT}, evaluation=None)


def grpo(**changes: Any) -> TrainingJob:
    """A short GRPO from the fine-tuning's checkpoint."""
    return job("calculator-grpo", algorithm={"type": "GRPO", "grpo": SMALL_GRPO}, evaluation=None, **changes)


def only(output: Path, name: str) -> Path:
    """The folder of the only run of a job."""
    (folder,) = (output / "team-a" / name).iterdir()
    return folder


def test_an_output_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    """With the path, not with a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(RefusedError, match=r"--output: must be a folder .*; got '.*/file'"):
        run_here(sft(), EXAMPLES / "calculator-sft.yaml", tmp_path / "file", Outside())


def test_two_jobs_follow_each_other_through_the_output_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second starts from the first's committed checkpoint; rows and files lie as in a bucket."""
    run_here(sft(), EXAMPLES / "calculator-sft.yaml", tmp_path, Outside())
    said = run_here(grpo(), GRPO, tmp_path, Outside())
    folder = only(tmp_path, "calculator-grpo")
    assert str(folder) in said
    trajectories = [json.loads(line) for line in (folder / "trajectories.jsonl").read_text().splitlines()]
    assert len(trajectories) == 3 * 2 * 2
    assert {t["id"]["run"] for t in trajectories} == {folder.name}
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3
    storage = FolderStorage(tmp_path)
    found = newest_committed(storage, f"team-a/calculator-grpo/{folder.name}/")
    manifest = load_checkpoint(storage, found.uri, found.digest, tmp_path)
    (warm,) = only(tmp_path, "calculator-sft").glob("step-3-*")
    assert (manifest.step, manifest.run_uid) == (3, folder.name)
    assert manifest.parent_uri == warm.as_uri() + "/"
    assert f"first weights: {manifest.parent_uri}" in capsys.readouterr().out
    assert "reward_mean" in manifest.metrics
    assert [path.name[:7] for path in folder.iterdir() if path.is_dir()] == ["step-3-"]


def test_without_the_checkpoint_the_command_that_makes_it_is_shown(tmp_path: Path) -> None:
    """Field, job and the exact command, with the manifest beside this one."""
    with pytest.raises(RefusedError) as refusal:
        run_here(grpo(), GRPO, tmp_path / "my out", Outside())
    assert refusal.value.field_path == "spec.model.checkpoint.trainingJob"
    assert refusal.value.value == "calculator-sft"
    command = f"python -m trainyard_trainer run {EXAMPLES}/calculator-sft.yaml --output '{tmp_path}/my out'"
    assert command in str(refusal.value).splitlines(), "on a line of its own, to be copied"


def test_the_newest_run_counts_and_uncommitted_folders_do_not(tmp_path: Path) -> None:
    """Of two runs the later one, even where files of a third were cut off before COMMIT."""
    for seed in (0, 1):
        run_here(sft(seed), EXAMPLES / "calculator-sft.yaml", tmp_path, Outside())
    runs = sorted((tmp_path / "team-a" / "calculator-sft").iterdir(), key=lambda path: path.stat().st_mtime)
    torn = tmp_path / "team-a" / "calculator-sft" / "torn" / "step-9-torn"
    torn.mkdir(parents=True)
    (torn / "model.safetensors").write_bytes(b"half")
    config = local_run_config(grpo(), GRPO, tmp_path, "uid-1")
    assert f"/{runs[-1].name}/" in config.model.checkpoint.uri


def stop_when_asked_for_the(nth: int) -> Outside:
    """A stop that is there from its `nth` question on."""
    asked = itertools.count(1)
    return Outside(stop_when=lambda _: next(asked) >= nth)


def final_weights(output: Path) -> bytes:
    """Of the only run of the fine-tuning."""
    (folder,) = only(output, "calculator-sft").glob("step-3-*")
    return (folder / "model.safetensors").read_bytes()


def test_a_stopped_run_is_named_and_goes_on_when_asked(tmp_path: Path) -> None:
    """As in a pod; its weights are then those of a run that nobody stopped. With nothing to go on with it begins."""
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    example = EXAMPLES / "calculator-sft.yaml"
    run_here(sft(), example, whole, Outside(), resume=True)
    with pytest.raises(StoppedError) as stop:
        run_here(sft(), example, parted, stop_when_asked_for_the(4))
    assert 0 < stop.value.last_step < 3
    assert re.search(rf"/step-{stop.value.last_step}-[0-9a-f]{{8}}/$", str(stop.value.committed_uri))
    with pytest.raises(RefusedError, match=r"must be what the run was begun with \(0\)") as changed:
        run_here(sft(seed=1), example, parted, Outside(), resume=True)
    assert (changed.value.field_path, changed.value.value) == ("spec.algorithm.seed", "1")
    assert run_here(sft(), example, parted, Outside(), resume=True).startswith("done: 3 steps")
    assert final_weights(parted) == final_weights(whole)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("namespace", ["../../../escaped", "..", "a/b", "/tmp/escaped", ""])
def test_a_run_lies_below_the_output_folder_whatever_it_is_called(
    namespace: str, tmp_path: Path, *, resume: bool
) -> None:
    """However the name came past the manifest's own rules: nothing is written elsewhere, and nothing read."""
    (tmp_path / "here").mkdir()
    named = sft().model_copy(update={"metadata": sft().metadata.model_copy(update={"namespace": namespace})})
    with pytest.raises(RefusedError, match="must be the name of one folder") as refused:
        run_here(named, EXAMPLES / "calculator-sft.yaml", tmp_path / "here" / "out", Outside(), resume=resume)
    assert (refused.value.field_path, refused.value.value) == ("metadata.namespace", namespace)
    assert [path.name for path in tmp_path.rglob("*")] == ["here", "out"]


def test_rows_are_on_the_disk_before_a_checkpoint_of_them_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever becomes of the machine: no checkpoint outlives the rows of its steps."""
    flushed: dict[str, int] = {}
    committed: list[int] = []
    real_fsync, real_link = os.fsync, os.link

    def fsync(file: int) -> None:
        path = Path(f"/proc/self/fd/{file}").readlink()
        real_fsync(file)
        if path.suffix == ".jsonl":
            flushed[path.name] = path.stat().st_size

    def link(aside: Path, target: Path) -> None:
        if target.name == "COMMIT":
            steps = int(target.parent.name.split("-")[1])
            for name, of_a_step in (("trajectories", 4), ("metrics", 1)):
                path = target.parents[1] / f"{name}.jsonl"
                safe = path.read_bytes()[: flushed[path.name]].splitlines()
                assert len(safe) >= steps * of_a_step, path
            committed.append(steps)
        real_link(aside, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    scratch = {"scratch": {"hiddenSize": 32, "layers": 1, "attentionHeads": 2, "headDim": 16, "intermediateSize": 64}}
    every = {"everySteps": 1, "storage": {"s3": {"bucket": "abc", "secretRef": {"name": "s"}}}}
    run_here(grpo(model=scratch, checkpoints=every), GRPO, tmp_path, Outside())
    assert committed == [1, 2, 3]


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ({"s3": {"bucket": "models", "secretRef": {"name": "s"}}}, "spec.model.s3"),
        ({"checkpoint": {"name": "calculator-sft-12345-1-250"}}, "spec.model.checkpoint.name"),
        ({"path": "/absent"}, "spec.model.path"),
    ],
)
def test_models_that_are_not_here_are_refused(model: dict[str, Any], field: str, tmp_path: Path) -> None:
    """Nothing of a cluster is guessed."""
    with pytest.raises(RefusedError) as refusal:
        run_here(grpo(model=model), GRPO, tmp_path, Outside())
    assert refusal.value.field_path == field
