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
from trainyard_trainer.checkpoints.resume import find_resumable
from trainyard_trainer.data.sources import DataAccess, fetch_data
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger.trajectory_log import TrajectoryLog
from trainyard_trainer.local_resume import keep_config, newest_run, require_unchanged
from trainyard_trainer.models.first_model import fetch_model
from trainyard_trainer.outlets import Ended, StopRequest
from trainyard_trainer.reporting.console import ConsoleReporter
from trainyard_trainer.run import run
from trainyard_trainer.run_inputs import RunInputs
from trainyard_trainer.storage.storage_folder import FolderStorage


def run_here(job: TrainingJob, manifest: Path, output: Path, stop: StopRequest, *, resume: bool = False) -> str:
    """Train as the manifest says, below `output`; what to say at the end.

    Args:
        job: the manifest's.
        manifest: its file, beside which other files of it are looked for.
        output: folder of checkpoints, trajectories and metrics.
        stop: asked by the loop.
        resume: go on with the job's run that was begun last, where there is one.

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
    config = _config(job, manifest, output, resume=resume)
    identity = config.run
    prefix = names.run_prefix("", identity.namespace, identity.name, identity.uid)
    parent = config.model.checkpoint.uri if config.model.checkpoint else None
    ledger = TrajectoryLog(output / prefix)
    with ConsoleReporter(Console(), identity.name) as reporter, tempfile.TemporaryDirectory() as cache:
        resumed = find_resumable(storage, prefix, identity.uid, Path(cache) / "resumed") if resume else None
        found = None if resumed is None else resumed.saved
        already = found if resumed is not None and resumed.whole else None
        # A process of its own each time, as a pod would be.
        origin = Origin(identity, str(uuid.uuid4()), prefix, parent, config.tags)
        writer = CheckpointWriter(storage, origin, ledger.record_checkpoint, reporter.checkpoint, already)
        try:
            if found is not None:
                reporter.say(f"going on from {found.uri}")
                ledger.record_checkpoint(found)
            elif parent is not None:
                reporter.say(f"first weights: {parent}")
            inputs = RunInputs(
                model=fetch_model(config.model, None, Path(cache)),
                module=None if config.task.module is None else manifest.parent / config.task.module.key,
                data=fetch_data(config.task.data, DataAccess(config_map=lambda _, key: manifest.parent / key)),
                resumed=resumed,
            )
            ended = run(config, inputs, ledger=ledger, reporter=reporter, checkpointer=writer, stop=stop)
        finally:
            writer.close()
    return f"{said(ended)}; trajectories and metrics in {output / prefix}"


def said(ended: Ended) -> str:
    """How a run ended, for a person."""
    saved = ended.saved
    if saved is None:
        return "done: evaluated"
    why = ", for validation no longer improved" if ended.early else ""
    return f"done: {saved.step} steps{why}; model in {saved.uri}"


def _config(job: TrainingJob, manifest: Path, output: Path, *, resume: bool) -> RunConfig:
    """The config of the run that was begun last, where it is to go on; else of one that begins now."""
    begun = newest_run(output / job.metadata.namespace / job.metadata.name) if resume else None
    if begun is None:
        config = local_run_config(job, manifest, output, uid=str(uuid.uuid4()))
        keep_config(config, output / names.run_prefix("", config.run.namespace, config.run.name, config.run.uid))
        return config
    now = local_run_config(job, manifest, output, uid=begun.run.uid)
    require_unchanged(begun, now)
    return now.model_copy(update={"model": begun.model})


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
        model=RunModel(
            checkpoint=pinned,
            path=spec.model.path,
            hugging_face=spec.model.hugging_face,
            scratch=spec.model.scratch,
        ),
        algorithm=spec.algorithm,
        task=spec.task,
        evaluation=spec.evaluation,
        checkpoints=RunCheckpoints(
            every_steps=spec.checkpoints.every_steps,
            storage=storage,
        ),
        tags=spec.tags,
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
