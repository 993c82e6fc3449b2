"""Checkpoints that a manifest refers to, where there is no API server: looked up below the output folder.

Place in the data's way: station 2, where there is no cluster. The folder is laid out like a bucket; a Checkpoint's name
is the one that a cluster would give it. Reads; writes nothing.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from trainyard_api import names
from trainyard_api.checkpoint_manifest import CheckpointManifest
from trainyard_api.model_source import CheckpointSource
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.files import Committed, all_committed, newest_committed
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.storage.storage_folder import FolderStorage


def find_checkpoint(source: CheckpointSource, namespace: str, manifest: Path, output: Path) -> Committed:
    """Finds the checkpoint of a name, or the highest step of a job's newest run.

    Raises:
        RefusedError: CHECKPOINT_NOT_FOUND.
    """
    if source.training_job is None:
        return find_named(str(source.name), namespace, output, "spec.model.checkpoint.name")
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


def find_named(name: str, namespace: str, output: Path, field_path: str) -> Committed:
    """Finds the checkpoint that would have this name in a cluster.

    Raises:
        RefusedError: CHECKPOINT_NOT_FOUND, with the names of those that are there.
    """
    committed = all_committed(FolderStorage(output), f"{namespace}/")
    for one in committed:
        if checkpoint_name(one.manifest) == name:
            return one
    there = ", ".join(sorted({checkpoint_name(one.manifest) for one in committed})) or "none"
    raise RefusedError(
        TerminationReason.CHECKPOINT_NOT_FOUND,
        f"must be a committed checkpoint below {output / namespace}; there are: {there}",
        field_path=field_path,
        value=name,
    )


def checkpoint_name(manifest: CheckpointManifest) -> str:
    """Names a checkpoint as a cluster would."""
    return names.checkpoint(manifest.training_job, manifest.run_uid, manifest.attempt, manifest.step, manifest.updates)
