"""`write-rows URI`: writes the rows that a checkpoint carries into the database, where no next attempt does.

Place in the data's way: from station 9 to station 10, in a short Job. It reads run config and secrets as a trainer pod
does, trains nothing, and loads no torch. Done twice, it changes nothing. The ledger must name the run config's attempt
as the current one, so it never disturbs one that came later.
"""

from __future__ import annotations

import logging
import signal
import tempfile
from pathlib import Path
from typing import Final

from trainyard_api import names
from trainyard_api.termination import ExitCode, Termination, TerminationReason
from trainyard_trainer.checkpoints.claims import claims_of
from trainyard_trainer.checkpoints.files import load_checkpoint, read_committed
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger.postgres import PostgresLedger
from trainyard_trainer.ledger.row_files import RowFiles
from trainyard_trainer.pod import ending, logs
from trainyard_trainer.pod.pod_access import login_of
from trainyard_trainer.pod.pod_environment import PodEnvironment
from trainyard_trainer.storage.storage_open import open_storage
from trainyard_trainer.storage.storage_s3 import Fields
from trainyard_trainer.training.run_config_file import read_run_config

_log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 60.0
"""How long the database is tried before the Job ends as a crash, to be tried again later."""


def write_rows(uri: str, environment: PodEnvironment, termination_log: Path = Path(names.TERMINATION_LOG)) -> int:
    """Writes the rows and returns the exit code: 0 when all are there, 20 where that can't ever work, else a crash.

    Args:
        uri: the checkpoint's folder.
        environment: the run config's file, and secrets.
        termination_log: gets the message.
    """
    logs.configure(environment.secrets)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a container's first process ignores it else
    code: int = ExitCode.DONE
    try:
        rows = _write(uri, environment)
        termination = Termination(reason=TerminationReason.COMPLETED, message=f"{rows} rows of {uri[:512]} are written")
        _log.info("done: %s", termination.message)
    except RefusedError as error:
        code, termination = ending.of_error(error, environment.secrets)
        _log.error("ended: %s", error)
    except BaseException as error:  # noqa: BLE001 (the last door: whatever it is, not all rows are there)
        code, termination = ending.of_error(error, environment.secrets)
        _log.exception("crashed")
    ending.write(termination, termination_log)
    return int(code)


def _write(uri: str, environment: PodEnvironment) -> int:
    """Writes what the checkpoint carries, and claims the run's checkpoints; returns how many rows it carries."""
    config = read_run_config(environment.run_config)
    run = config.run
    where = config.checkpoints.storage
    storage = open_storage(where, environment.checkpoints, Fields.below("spec.checkpoints.storage.s3"))
    storage.check(write=False)
    prefix = names.run_prefix("" if where.s3 is None else where.s3.prefix, run.namespace, run.name, run.uid)
    committed = read_committed(storage, uri)
    if committed.manifest.run_uid != run.uid or not committed.uri.startswith(storage.uri(prefix)):
        raise _refused("must be a checkpoint of the run that the run config names", uri)
    ledger = PostgresLedger(login_of(environment, config), run, patience_seconds=PATIENCE_SECONDS)
    ledger.check()
    with tempfile.TemporaryDirectory() as folder:
        count = 0
        if committed.manifest.unwritten_rows is not None:
            load_checkpoint(
                *(storage, committed.uri, committed.digest, Path(folder)),
                wanted=lambda path: path.startswith(f"{names.ROWS_FOLDER}/"),
            )
            count = _restore(ledger, RowFiles(Path(folder) / names.ROWS_FOLDER, run), uri)
    ledger.write(claims_of(storage, prefix, run))
    ledger.close()
    return count


def _restore(ledger: PostgresLedger, rows: RowFiles, uri: str) -> int:
    try:
        count = rows.check()
        ledger.restore(rows)
    except ValueError as error:
        raise _refused(f"must carry rows that this trainer can read ({error})", uri) from error
    return count


def _refused(rule: str, uri: str) -> RefusedError:
    return RefusedError(TerminationReason.CHECKPOINT_NOT_FOUND, rule, field_path="uri", value=uri)
