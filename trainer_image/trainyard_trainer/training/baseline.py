"""What an evaluation is compared with: a pinned checkpoint, brought here and loaded as a model is.

Place in the data's way: station 4. Nothing but the field that an error names sets it apart from the run's own model.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from trainyard_api.run_config import RunConfig, RunModel
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.first_model import fetch_model
from trainyard_trainer.storage.storage_s3 import Credentials

BASELINE_FIELD = "spec.evaluation.baseline.checkpoint"


def fetch_baseline(config: RunConfig, credentials: Credentials | None, cache: Path) -> Path | None:
    """Returns the local folder of the baseline; None where the run has none.

    Args:
        config: pins it.
        credentials: of the bucket that it lies in.
        cache: a folder to copy it below.

    Raises:
        RefusedError: it isn't there, or not what was pinned.
    """
    if config.baseline is None:
        return None
    with at_baseline():
        return fetch_model(RunModel(checkpoint=config.baseline), credentials, cache / "baseline")


def baseline_config(config: RunConfig) -> RunConfig:
    """Returns the run config with the baseline as its model."""
    return config.model_copy(update={"model": RunModel(checkpoint=config.baseline)})


@contextlib.contextmanager
def at_baseline() -> Iterator[None]:
    """Names the baseline's field in what is refused of a model inside the block."""
    try:
        yield
    except RefusedError as error:
        if error.field_path is None or not error.field_path.startswith("spec.model"):
            raise
        rule = str(error.args[0])
        raise RefusedError(error.reason, rule, field_path=BASELINE_FIELD, value=error.value) from error
