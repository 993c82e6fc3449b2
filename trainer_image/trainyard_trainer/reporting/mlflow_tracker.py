"""A run of MLflow.

Place in the data's way: behind `tracking`. Sends numbers and tags. The run there carries the run's uid as a tag, by
which a later attempt finds it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError

RUN_TAG = "trainyard.run_uid"


class MlflowTracker:
    """Sends numbers to a run of MLflow, from the first measurement on; see `tracking.Tracker`.

    Args:
        endpoint: URL of the tracking server.
        experiment: name; made where it doesn't exist.
        config: the run.
        token: empty for none.

    Raises:
        RefusedError: the image lacks the package.
    """

    def __init__(self, endpoint: str, experiment: str, config: RunConfig, token: str) -> None:
        # The library takes these from the environment alone.
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "2"
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "10"
        if token:
            os.environ["MLFLOW_TRACKING_TOKEN"] = token
        try:
            from mlflow import MlflowClient, entities  # noqa: PLC0415 (an extra)
        except ImportError as error:
            raise RefusedError(
                TerminationReason.INVALID_MANIFEST,
                "the trainer's image must carry the package mlflow-skinny (build it on ours)",
                field_path="spec.tracking.mlflow",
            ) from error
        self._metric = entities.Metric
        self._client: Any = MlflowClient(tracking_uri=endpoint)
        self._experiment = experiment
        self._config = config
        self._run_id: str | None = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Sends named numbers of a step, in one request."""
        self._run_id = self._run_id or self._find_or_begin()
        now = int(time.time() * 1000)
        self._client.log_batch(
            self._run_id, metrics=[self._metric(name, value, now, step) for name, value in values.items()]
        )

    def close(self) -> None:
        """Ends the run."""
        if self._run_id is not None:
            self._client.set_terminated(self._run_id)

    def _find_or_begin(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        experiment = found.experiment_id if found else self._client.create_experiment(self._experiment)
        run = self._config.run
        known = self._client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{run.uid}'", max_results=1)
        if known:
            return str(known[0].info.run_id)
        tags = {RUN_TAG: run.uid, "namespace": run.namespace} | dict(self._config.tags)
        return str(self._client.create_run(experiment, tags=tags, run_name=run.name).info.run_id)
