"""The run config and the inputs of a run without a cluster, from its manifest and the files beside it.

Place in the data's way: stations 2 and 4, where there is no API server, no mounted ConfigMap and no Secret. A
ConfigMap's key is a file of that name beside the manifest; a Checkpoint is looked up below the output folder.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from trainyard_api import names
from trainyard_api.run_config import (
    RUN_CONFIG_VERSION,
    Folder,
    PinnedCheckpoint,
    RunCheckpoints,
    RunConfig,
    RunIdentity,
    RunModel,
    RunStorage,
)
from trainyard_api.task import FileSource, TaskSpec
from trainyard_api.termination import TerminationReason
from trainyard_api.training_job import TrainingJob
from trainyard_trainer.checkpoints.files import Committed
from trainyard_trainer.data.question_sources import DATA_FIELD
from trainyard_trainer.data.sources import DataAccess, fetch_data
from trainyard_trainer.data.splits import Split
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.local.local_checkpoints import checkpoint_name, find_checkpoint, find_named
from trainyard_trainer.models.first_model import fetch_model
from trainyard_trainer.readable import is_writable
from trainyard_trainer.storage.storage_folder import FolderStorage
from trainyard_trainer.training.baseline import BASELINE_FIELD, fetch_baseline
from trainyard_trainer.training.inputs import RunInputs


def job_folder(job: TrainingJob, output: Path) -> Path:
    """Returns the folder of a job's runs, always below the output folder.

    Raises:
        RefusedError: INVALID_MANIFEST; a name isn't that of one folder.
    """
    for field, name in (("namespace", job.metadata.namespace), ("name", job.metadata.name)):
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            raise RefusedError(
                TerminationReason.INVALID_MANIFEST,
                "must be the name of one folder, for the run's files lie in it, below --output",
                field_path=f"metadata.{field}",
                value=name,
            )
    return output / job.metadata.namespace / job.metadata.name


def run_folder(config: RunConfig, output: Path) -> Path:
    """Returns the folder of a run's rows and checkpoints."""
    return output / names.run_prefix("", config.run.namespace, config.run.name, config.run.uid)


def local_run_config(job: TrainingJob, manifest: Path, output: Path, uid: str) -> RunConfig:
    """Makes the run config of a job that begins today; its checkpoint reference is looked up below `output`.

    Raises:
        RefusedError: the model can't be found here, or a name leads out of `output`.
    """
    job_folder(job, output)
    spec, metadata = job.spec, job.metadata
    storage = RunStorage(folder=Folder(directory=str(output)))
    if spec.model.s3 is not None:
        raise RefusedError(
            TerminationReason.MODEL_NOT_FOUND,
            "needs a cluster, for secrets aren't read here; copy the folder to this machine and set spec.model.path",
            field_path="spec.model.s3",
            value=f"s3://{spec.model.s3.bucket}/{spec.model.s3.prefix}",
        )
    _refuse_buckets(spec.task)
    pinned = None
    if spec.model.checkpoint is not None:
        pinned = _pin(find_checkpoint(spec.model.checkpoint, metadata.namespace, manifest, output), storage)
    compared = spec.evaluation.baseline if spec.evaluation else None
    baseline = None
    if compared is not None:
        baseline = _pin(find_named(compared.checkpoint, metadata.namespace, output, BASELINE_FIELD), storage)
    return RunConfig(
        version=RUN_CONFIG_VERSION,
        run=RunIdentity(
            namespace=metadata.namespace,
            name=metadata.name,
            uid=uid,
            attempt=1,
            began_on=datetime.now(UTC).date().isoformat(),
        ),
        model=RunModel(
            checkpoint=pinned,
            path=spec.model.path,
            hugging_face=spec.model.hugging_face,
            scratch=spec.model.scratch,
        ),
        algorithm=spec.algorithm,
        task=spec.task,
        evaluation=spec.evaluation,
        baseline=baseline,
        checkpoints=RunCheckpoints(
            every_steps=spec.checkpoints.every_steps,
            storage=storage,
        ),
        tags=spec.tags,
    )


def local_inputs(config: RunConfig, manifest: Path, cache: Path) -> RunInputs:
    """Gathers what lies beside the manifest, and copies what it refers to below `cache`.

    Raises:
        RefusedError: something isn't there, or not what was pinned.
    """
    return RunInputs(
        model=fetch_model(config.model, None, cache),
        module=None if config.task.module is None else manifest.parent / config.task.module.key,
        data=fetch_data(config.task.data, DataAccess(config_map=lambda _, key: manifest.parent / key)),
        baseline=fetch_baseline(config, None, cache),
    )


def open_output(output: Path) -> FolderStorage:
    """Opens the output folder, made where it isn't there.

    Raises:
        RefusedError: STORAGE_UNAVAILABLE; it can't be written.
    """
    if not is_writable(str(output)):
        raise RefusedError(
            TerminationReason.STORAGE_UNAVAILABLE,
            "must be a path in UTF-8, for files refer to it",
            field_path="--output",
            value=ascii(str(output)),
        )
    storage = FolderStorage(output)
    try:
        storage.check(write=True)
    except OSError as error:
        raise RefusedError(
            TerminationReason.STORAGE_UNAVAILABLE,
            f"must be a folder that can be written ({error.strerror})",
            field_path="--output",
            value=str(output),
        ) from error
    return storage


def _refuse_buckets(task: TaskSpec) -> None:
    """Refuses data that needs a Secret."""
    for split in Split if task.data is not None else ():
        source: FileSource | None = getattr(task.data, split.value)
        if source is not None and source.s3 is not None:
            raise RefusedError(
                TerminationReason.INVALID_DATA,
                "needs a cluster, for secrets aren't read here; copy the file to this machine and set path",
                field_path=f"{DATA_FIELD}.{split}.s3",
                value=f"s3://{source.s3.bucket}/{source.s3.prefix}",
            )


def _pin(found: Committed, storage: RunStorage) -> PinnedCheckpoint:
    return PinnedCheckpoint(name=checkpoint_name(found.manifest), uri=found.uri, digest=found.digest, storage=storage)
