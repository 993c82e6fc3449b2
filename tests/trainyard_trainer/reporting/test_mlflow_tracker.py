"""MLflow gets numbers and tags, in one run for each run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_trainer import small
from trainyard_trainer.reporting.mlflow_tracker import RUN_TAG, MlflowTracker

CONFIG = small.config(tags={"commit": "1a2b3c4"})


def test_a_later_attempt_goes_on_in_the_same_mlflow_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers by step, tags of the manifest, one run for one uid."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = f"file://{tmp_path}/store"
    for step in (1, 2):
        tracker = MlflowTracker(uri, "agents", CONFIG, "")
        tracker.log(step, {"reward_mean": step / 4})
        tracker.close()
    client: Any = tracker._client
    (run,) = client.search_runs([client.get_experiment_by_name("agents").experiment_id])
    history = client.get_metric_history(run.info.run_id, "reward_mean")
    assert sorted((metric.step, metric.value) for metric in history) == [(1, 0.25), (2, 0.5)]
    assert {RUN_TAG: "run-1", "commit": "1a2b3c4"}.items() <= run.data.tags.items()
