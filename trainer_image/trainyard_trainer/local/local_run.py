"""A TrainingJob run in this process: the same loop, with files and a terminal where a pod has servers.

Place in the data's way: stations 2 to 11, where there is no cluster. The output folder is laid out like a bucket, so
the checkpoint of one job is the next one's first model. Of the manifest, secrets, database, S3 and budget aren't read.
"""

from __future__ import annotations

import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from trainyard_api import names
from trainyard_api.run_config import RunConfig
from trainyard_api.training_job import TrainingJob
from trainyard_trainer.checkpoints.checkpoint import Origin
from trainyard_trainer.checkpoints.checkpoint_writer import CheckpointWriter
from trainyard_trainer.checkpoints.resume import find_resumable
from trainyard_trainer.ledger.trajectory_log import TrajectoryLog
from trainyard_trainer.local.local_config import local_inputs, local_run_config, open_output
from trainyard_trainer.local.local_resume import keep_config, newest_run, require_unchanged
from trainyard_trainer.outlets import Ended, StopRequest
from trainyard_trainer.reporting.console import ConsoleReporter
from trainyard_trainer.reporting.log_lines import data_reports_shown
from trainyard_trainer.run import run


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
    storage = open_output(output)
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
        writer = CheckpointWriter(storage, origin, ledger.record_checkpoint, reporter.checkpoint, resumed=already)
        try:
            if found is not None:
                reporter.say(f"going on from {found.uri}")
                ledger.record_checkpoint(found)
            elif parent is not None:
                reporter.say(f"first weights: {parent}")
            inputs = replace(local_inputs(config, manifest, Path(cache)), resumed=resumed)
            with data_reports_shown(reporter.say):
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
