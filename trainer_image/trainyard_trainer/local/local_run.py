"""A TrainingJob run in this process: the same loop, with files and a terminal where a pod has servers.

Place in the data's way: stations 2 to 11, where there is no cluster. The output folder is laid out like a bucket, so
the checkpoint of one job is the next one's first model. Of the manifest, secrets, database, S3 and budget aren't read.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from trainyard_api import names
from trainyard_api.run_config import RunConfig
from trainyard_api.training_job import TrainingJob
from trainyard_trainer.checkpoints.files import Origin
from trainyard_trainer.checkpoints.resumable import Resumed, going_on
from trainyard_trainer.checkpoints.writer import CheckpointWriter
from trainyard_trainer.ledger.trajectory_log import TrajectoryLog
from trainyard_trainer.local.local_config import job_folder, local_inputs, local_run_config, open_output, run_folder
from trainyard_trainer.local.local_lock import only_process
from trainyard_trainer.local.local_recovery import Recovery
from trainyard_trainer.local.local_resume import continued, keep_config, newest_run
from trainyard_trainer.reporting.console import ConsoleReporter
from trainyard_trainer.reporting.log_lines import findings_shown
from trainyard_trainer.sinks import Ended
from trainyard_trainer.stop import Stop
from trainyard_trainer.storage.storage_folder import FolderStorage
from trainyard_trainer.training.algorithm_types import BATCH_READERS
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.restore import find_restorable
from trainyard_trainer.training.run import run


def run_here(job: TrainingJob, manifest: Path, output: Path, stop: Stop, *, resume: bool = False) -> str:
    """Trains as the manifest says, below `output`, and returns what to say at the end.

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
    begun = newest_run(job_folder(job, output)) if resume else None
    config = local_run_config(job, manifest, output, uid=str(uuid.uuid4()) if begun is None else begun.run.uid)
    if begun is not None:
        config = continued(begun, config, job.spec.model.checkpoint)
    folder = run_folder(config, output)
    with (
        ConsoleReporter(Console(), config.run.name) as reporter,
        only_process(folder, reporter.say),
        tempfile.TemporaryDirectory() as cache,
    ):
        if begun is None:
            keep_config(config, folder)
            if resume:
                reporter.say(f"no run to go on with lies in {folder.parent}; this one begins")
        local = _LocalRun(config, storage, folder, reporter, stop)
        with findings_shown(reporter.say):
            ended = local.run(manifest, Path(cache), resume=begun is not None)
    return f"{said(ended)}; trajectories and metrics in {folder}"


@dataclass(frozen=True)
class _LocalRun:
    """Trains one run, with files for what it writes."""

    config: RunConfig
    storage: FolderStorage
    folder: Path
    reporter: ConsoleReporter
    stop: Stop

    def run(self, manifest: Path, cache: Path, *, resume: bool) -> Ended:
        """Trains to the end, with `resume` from the newest checkpoint that the rows reach."""
        config, ledger, say = self.config, TrajectoryLog(self.folder), self.reporter.say
        prefix = names.run_prefix("", config.run.namespace, config.run.name, config.run.uid)
        recovery = Recovery(ledger, config, say) if resume else None
        inputs = local_inputs(config, manifest, cache)
        parent = config.model.checkpoint.uri if config.model.checkpoint else None
        # A process of its own each time, as a pod would be.
        origin = Origin(config.run, str(uuid.uuid4()), prefix, parent, config.tags)

        def find(unreadable: Mapping[str, str]) -> Resumed | None:
            if recovery is None:
                return None
            told: list[str] = []
            into, lacks, tell = cache / "resumed", recovery.lacks, told.append
            resumed = find_restorable(
                self.storage,
                prefix,
                config.run.uid,
                into,
                read_batch=BATCH_READERS[config.algorithm.type],
                lacks=lacks,
                unreadable=unreadable,
                say=tell,
            )
            if resumed is not None:
                told.append(f"going on from {resumed.saved.uri}")
            for line in told or ["no checkpoint of this run is committed: beginning at step 0"]:
                say(line)
            recovery.prepare(self.folder)
            recovery.claim(self.storage, prefix)
            return resumed

        def work(resumed: Resumed | None) -> Ended:
            if resumed is None and parent is not None:
                say(f"first weights: {parent}")
            return self._train(replace(inputs, resumed=resumed), ledger, origin)

        return going_on(find, work)

    def _train(self, inputs: RunInputs, ledger: TrajectoryLog, origin: Origin) -> Ended:
        resumed = inputs.resumed
        already = resumed.saved if resumed is not None and resumed.whole else None
        claim, show = ledger.record_checkpoint, self.reporter.checkpoint
        # Rows before COMMIT: no checkpoint outlives the rows of its steps, whatever becomes of the machine.
        writer = CheckpointWriter(self.storage, origin, claim, show, resumed=already, fence=ledger.flush)
        try:
            return run(self.config, inputs, ledger=ledger, reporter=self.reporter, checkpointer=writer, stop=self.stop)
        finally:
            writer.close()


def said(ended: Ended) -> str:
    """Says how a run ended, for a person."""
    saved = ended.saved
    if saved is None:
        return "done: evaluated"
    why = ", for validation no longer improved" if ended.early else ""
    return f"done: {saved.step} steps{why}; model in {saved.uri}"
