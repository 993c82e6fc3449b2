"""A TrainingJob run in this process: the same loop, with files and a terminal where a pod has servers.

Place in the data's way: stations 2 to 11, where there is no cluster. The output folder is laid out like a bucket, so
the checkpoint of one job is the next one's first model. Of the manifest, secrets, database, S3 and budget aren't read.
"""

from __future__ import annotations

import shlex
import tempfile
import uuid
from pathlib import Path

from rich.console import Console

from trainyard_api import names
from trainyard_api.model_source import CheckpointSource
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
from trainyard_api.termination import TerminationReason
from trainyard_api.training_job import TrainingJob
from trainyard_trainer.checkpoints.checkpoint import Committed, Origin, newest_committed
from trainyard_trainer.checkpoints.checkpoint_writer import CheckpointWriter
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger.trajectory_log import TrajectoryLog
from trainyard_trainer.models.first_model import fetch_model
from trainyard_trainer.outlets import SavedCheckpoint, StopRequest
from trainyard_trainer.reporting.console import ConsoleReporter
from trainyard_trainer.run import run
from trainyard_trainer.storage.storage_folder import FolderStorage


def run_here(job: TrainingJob, manifest: Path, output: Path, stop: StopRequest) -> str:
    """Train as the manifest says, below `output`; what to say at the end.

    Raises:
        RefusedError: the user's mistake, or a run that can't go on.
        StoppedError: a stop was asked for; the newest state is committed.
    """
    output = output.absolute()
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
    config = local_run_config(job, manifest, output, uid=str(uuid.uuid4()))
    identity = config.run
    prefix = names.run_prefix("", identity.namespace, identity.name, identity.uid)
    parent = config.model.checkpoint.uri if config.model.checkpoint else None
    ledger = TrajectoryLog(output / prefix)
    with ConsoleReporter(Console(), identity.name) as reporter, tempfile.TemporaryDirectory() as cache:

        def on_commit(saved: SavedCheckpoint) -> None:
            ledger.record_checkpoint(saved)
            reporter.checkpoint(saved)

        writer = CheckpointWriter(storage, Origin(identity, identity.uid, prefix, parent), on_commit)
        try:
            folder = fetch_model(config.model, None, Path(cache))
            if parent is not None:
                reporter.say(f"first weights: {parent}")
            saved = run(config, folder, ledger=ledger, reporter=reporter, checkpointer=writer, stop=stop)
        finally:
            writer.close()
    return f"done: {saved.step} steps; model in {saved.uri}; trajectories and metrics in {output / prefix}"


def local_run_config(job: TrainingJob, manifest: Path, output: Path, uid: str) -> RunConfig:
    """The run config of a job without a cluster; its checkpoint reference is looked up below `output`.

    Raises:
        RefusedError: the model can't be found here.
    """
    spec, metadata = job.spec, job.metadata
    storage = RunStorage(folder=Folder(directory=str(output)))
    if spec.model.s3 is not None:
        raise RefusedError(
            TerminationReason.MODEL_NOT_FOUND,
            "needs a cluster, for secrets aren't read here; copy the folder to this machine and set spec.model.path",
            field_path="spec.model.s3",
            value=f"s3://{spec.model.s3.bucket}/{spec.model.s3.prefix}",
        )
    pinned = None
    if spec.model.checkpoint is not None:
        found = _find_checkpoint(spec.model.checkpoint, metadata.namespace, manifest, output)
        pinned = PinnedCheckpoint(uri=found.uri, digest=found.digest, storage=storage)
    return RunConfig(
        version=RUN_CONFIG_VERSION,
        run=RunIdentity(namespace=metadata.namespace, name=metadata.name, uid=uid, attempt=1),
        model=RunModel(checkpoint=pinned, path=spec.model.path, scratch=spec.model.scratch),
        algorithm=spec.algorithm,
        task=spec.task,
        evaluation=spec.evaluation,
        checkpoints=RunCheckpoints(
            every_steps=spec.checkpoints.every_steps,
            storage=storage,
        ),
    )


def _find_checkpoint(source: CheckpointSource, namespace: str, manifest: Path, output: Path) -> Committed:
    """The newest run's checkpoint with the highest step."""
    if source.training_job is None:
        raise RefusedError(
            TerminationReason.CHECKPOINT_NOT_FOUND,
            "names an object of a cluster; set spec.model.checkpoint.trainingJob, or spec.model.path to its folder",
            field_path="spec.model.checkpoint.name",
            value=source.name,
        )
    storage = FolderStorage(output)
    job_prefix = f"{namespace}/{source.training_job}/"
    commits = [item for item in storage.list(job_prefix) if item.key.endswith(f"/{names.COMMIT_FILE}")]
    for item in sorted(commits, key=lambda item: item.modified, reverse=True):
        run_uid = item.key.removeprefix(job_prefix).split("/")[0]
        found = newest_committed(storage, f"{job_prefix}{run_uid}/")
        if found is not None:
            return found
    sibling = manifest.parent / f"{source.training_job}.yaml"
    command = f"python -m trainyard_trainer run {shlex.quote(str(sibling))} --output {shlex.quote(str(output))}"
    raise RefusedError(
        TerminationReason.CHECKPOINT_NOT_FOUND,
        # On a line of its own, to be copied.
        f"no committed checkpoint of this job lies below {output / job_prefix}; make one first:\n{command}\n",
        field_path="spec.model.checkpoint.trainingJob",
        value=source.training_job,
    )
