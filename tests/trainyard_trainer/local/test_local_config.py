"""What a manifest refers to, where there is no cluster."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trainyard_trainer.saved_models import save_checkpoint
from trainyard_api.manifest import check_manifest
from trainyard_api.termination import TerminationReason
from trainyard_api.training_job import TrainingJob
from trainyard_trainer.data.splits import Split
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.local.local_config import local_inputs, local_run_config, open_output
from trainyard_trainer.readable import is_writable

EXAMPLE = Path(__file__).parents[3] / "crds" / "examples" / "calculator-sft.yaml"


def job(**changes: Any) -> TrainingJob:
    """The example with parts of its spec replaced."""
    body = yaml.safe_load(EXAMPLE.read_text())
    body["spec"] |= changes
    return check_manifest(body)


def qa(**sources: Any) -> dict[str, Any]:
    """A task about one's own questions."""
    return {"name": "qa", "rewards": [{"name": "exact"}], "data": sources}


def test_files_of_config_maps_lie_beside_the_manifest(tmp_path: Path) -> None:
    """By their keys: the module and the data."""
    (tmp_path / "q.jsonl").write_text('{"query": "2+2", "expected_outcome": 4}\n')
    (tmp_path / "mine.py").write_text("")
    task = qa(train={"configMap": {"name": "queries", "key": "q.jsonl"}})
    task["module"] = {"name": "mine", "key": "mine.py"}
    config = local_run_config(job(task=task), tmp_path / "job.yaml", tmp_path, "uid-1")
    inputs = local_inputs(config, tmp_path / "job.yaml", tmp_path / "cache")
    assert inputs.module == tmp_path / "mine.py"
    assert [question.text for question in inputs.data[Split.TRAIN].questions] == ["2+2"]
    assert (inputs.model, inputs.baseline, inputs.resumed) == (None, None, None)


def test_a_run_is_dated_with_the_day_on_which_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Greenwich, wherever the machine stands: a template that writes the date writes this one to the run's end."""
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        days = [datetime.now(UTC).date().isoformat()]
        config = local_run_config(job(), tmp_path / "job.yaml", tmp_path, "uid-1")
        days.append(datetime.now(UTC).date().isoformat())
        assert config.run.began_on in days
    finally:
        monkeypatch.undo()
        time.tzset()


def test_data_in_a_bucket_needs_a_cluster(tmp_path: Path) -> None:
    """The set and what to do instead are named."""
    where = {"s3": {"bucket": "data", "prefix": "q.jsonl", "secretRef": {"name": "s"}}}
    with pytest.raises(RefusedError, match="copy the file to this machine and set path") as refused:
        local_run_config(job(task=qa(train=where)), tmp_path / "job.yaml", tmp_path, "uid-1")
    assert (refused.value.field_path, refused.value.value) == ("spec.task.data.train.s3", "s3://data/q.jsonl")


def test_a_baseline_is_found_by_its_name_and_copied(tmp_path: Path) -> None:
    """Pinned with its digest; its files are verified as they come."""
    saved = save_checkpoint(tmp_path, "a", "11111-x", 1)
    evaluation = {"questions": 5, "baseline": {"checkpoint": "a-11111-1-1"}}
    asked = job(algorithm={"type": "Evaluation"}, evaluation=evaluation)
    config = local_run_config(asked, tmp_path / "job.yaml", tmp_path, "uid-1")
    assert config.baseline is not None
    assert (config.baseline.uri, config.baseline.digest) == (saved.uri, saved.digest)
    folder = local_inputs(config, tmp_path / "job.yaml", tmp_path / "cache").baseline
    assert folder is not None
    assert (folder / "model.safetensors").read_bytes() == b"x"


def test_an_output_folder_of_no_text_is_refused() -> None:
    """A path may hold any byte; what is written about it may not."""
    with pytest.raises(RefusedError, match="must be a path in UTF-8") as refusal:
        open_output(Path(os.fsdecode(b"/nowhere/out\xff")))
    assert (refusal.value.reason, refusal.value.field_path) == (TerminationReason.STORAGE_UNAVAILABLE, "--output")
    assert is_writable(str(refusal.value))
