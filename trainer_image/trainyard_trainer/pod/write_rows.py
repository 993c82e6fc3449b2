"""`write-rows [URI]`: writes the rows that a checkpoint carries into the database, where no next attempt does.

Place in the data's way: from station 9 to station 10, in a short Job. It reads run config and secrets as a trainer pod
does, trains nothing, and loads no torch. Done twice, it changes nothing. The ledger must name the run config's attempt
as the current one, so it never disturbs one that came later. Without an address, as after a pod that ended without a
word, it takes the checkpoint that a next attempt would go on from.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trainyard_api import names
from trainyard_api.run_config import RunIdentity
from trainyard_api.termination import ExitCode, Termination, TerminationReason
from trainyard_trainer.checkpoints.claims import claims_of
from trainyard_trainer.checkpoints.files import (
    Committed,
    all_committed,
    load_checkpoint,
    read_committed,
    require_broken,
)
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger.postgres import PostgresLedger
from trainyard_trainer.ledger.row_batch import steps_of
from trainyard_trainer.ledger.row_files import RowFiles
from trainyard_trainer.pod import ending, logs
from trainyard_trainer.pod.pod_access import login_of
from trainyard_trainer.pod.pod_environment import PodEnvironment
from trainyard_trainer.storage.storage import Storage
from trainyard_trainer.storage.storage_open import open_storage
from trainyard_trainer.storage.storage_s3 import Fields
from trainyard_trainer.training.run_config_file import read_run_config

_log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 60.0
"""How long the database is tried before the Job ends as a crash, to be tried again later."""


def write_rows(
    uri: str | None, environment: PodEnvironment, termination_log: Path = Path(names.TERMINATION_LOG)
) -> int:
    """Writes the rows and returns the exit code: 0 when all are there, 20 where that can't ever work, else a crash.

    Args:
        uri: the checkpoint's folder; None for the newest whose rows fit what the ledger has.
        environment: the run config's file, and secrets.
        termination_log: gets the message.
    """
    logs.configure(environment.secrets)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a container's first process ignores it else
    code: int = ExitCode.DONE
    try:
        termination = Termination(reason=TerminationReason.COMPLETED, message=_write(uri, environment))
        _log.info("done: %s", termination.message)
    except RefusedError as error:
        code, termination = ending.of_error(error, environment.secrets)
        _log.error("ended: %s", error)
    except BaseException as error:  # noqa: BLE001 (the last door: whatever it is, not all rows are there)
        code, termination = ending.of_error(error, environment.secrets)
        _log.exception("crashed")
    ending.write(termination, termination_log)
    return int(code)


def _write(uri: str | None, environment: PodEnvironment) -> str:
    """Writes what the checkpoint carries, and claims the run's checkpoints; returns what was done, in words."""
    config = read_run_config(environment.run_config)
    run = config.run
    where = config.checkpoints.storage
    storage = open_storage(where, environment.checkpoints, Fields.below("spec.checkpoints.storage.s3"))
    storage.check(write=False)
    prefix = names.run_prefix("" if where.s3 is None else where.s3.prefix, run.namespace, run.name, run.uid)
    named = None if uri is None else read_committed(storage, uri)
    if named is not None and not (named.manifest.run_uid == run.uid and named.uri.startswith(storage.uri(prefix))):
        raise _refused("must be a checkpoint of the run that the run config names", named.uri)
    made = PostgresLedger(login_of(environment, config), run, patience_seconds=PATIENCE_SECONDS)
    with contextlib.closing(made) as ledger:
        ledger.check()
        writer = _Writer(storage, ledger, run)
        done = writer.write_newest(prefix) if named is None else writer.write(named)
        ledger.write(claims_of(storage, prefix, run))
    return done


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes rows of a run's checkpoints, of each all or none; returns what was done, in words."""

    storage: Storage
    ledger: PostgresLedger
    run: RunIdentity

    def write(self, committed: Committed) -> str:
        """Writes the rows of a checkpoint."""
        with tempfile.TemporaryDirectory() as folder:
            return self._restore(committed, self._fetch(committed, Path(folder)))

    def write_newest(self, prefix: str) -> str:
        """Writes the rows of the newest checkpoint that is whole and fits the ledger."""
        for committed in all_committed(self.storage, prefix):
            if committed.manifest.run_uid != self.run.uid:
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    rows = self._fetch(committed, Path(folder))
                except RefusedError as error:
                    require_broken(error)
                    _log.warning("%s passed over: %s", committed.uri, error)
                    continue
                missing = self._missing_step(committed, rows)
                if missing is None:
                    return self._restore(committed, rows)
                _log.warning("%s passed over: the ledger has no rows of step %d that fit it", committed.uri, missing)
        return "no checkpoint of the run fits the ledger, so no rows are written"

    def _fetch(self, committed: Committed, folder: Path) -> RowFiles | None:
        """Copies the rows that a checkpoint carries into a folder; None where it carries none."""
        if committed.manifest.unwritten_rows is None:
            return None
        load_checkpoint(
            *(self.storage, committed.uri, committed.digest, folder),
            wanted=lambda path: path.startswith(f"{names.ROWS_FOLDER}/"),
        )
        return RowFiles(folder / names.ROWS_FOLDER, self.run)

    def _missing_step(self, committed: Committed, rows: RowFiles | None) -> int | None:
        """Finds a step whose rows a later attempt has made anew, or taken out: no attempt would go on from there."""
        if rows is None:
            return None
        with _reading(committed.uri):
            carried = steps_of(rows)
        return self.ledger.first_missing_step(committed.step, committed.manifest.attempt, carried)

    def _restore(self, committed: Committed, rows: RowFiles | None) -> str:
        count = 0
        if rows is not None:
            with _reading(committed.uri):
                count = rows.check()
                self.ledger.restore(rows)
        return f"{count} rows of {committed.uri[:512]} are written"


@contextlib.contextmanager
def _reading(uri: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise _refused(f"must carry rows that this trainer can read ({error})", uri) from error


def _refused(rule: str, uri: str) -> RefusedError:
    return RefusedError(TerminationReason.CHECKPOINT_NOT_FOUND, rule, field_path="uri", value=uri)
