"""Rows that a checkpoint carries, for the database was away when it was committed: checked, then written first.

Place in the data's way: from station 9 back to station 10, before a run goes on. Such a checkpoint was committed
without the ledger's consent, so the ledger is asked now whether its rows are still those that the state was made with.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from trainyard_api.names import ROWS_FOLDER
from trainyard_api.run_config import RunIdentity
from trainyard_trainer.checkpoints.claims import claims_of
from trainyard_trainer.checkpoints.files import Committed
from trainyard_trainer.checkpoints.resumable import Resumed, reading
from trainyard_trainer.ledger.outbox import Outbox
from trainyard_trainer.ledger.row_batch import steps_of
from trainyard_trainer.ledger.row_files import RowFiles
from trainyard_trainer.storage.storage import Storage

_log = logging.getLogger(__name__)


def why_not(outbox: Outbox, run: RunIdentity, committed: Committed, folder: Path) -> str | None:
    """Says why a run can't go on from a checkpoint, for rows that it carries or that the ledger has; None if it can.

    Args:
        outbox: asks the ledger.
        run: the run, and its attempt of now.
        committed: the checkpoint.
        folder: its files.

    Raises:
        UnreadableError: they are of another layout, for another version of the trainer wrote them.
    """
    if committed.manifest.unwritten_rows is None:
        return None
    rows = RowFiles(folder / ROWS_FOLDER, run)
    with reading(committed.uri):
        rows.check()
        carried = steps_of(rows)
    attempt, missing = committed.manifest.attempt, []
    outbox.require(lambda ledger: missing.append(ledger.first_missing_step(committed.step, attempt, carried)))
    if missing[-1] is None:
        return None
    return f"the ledger must have the rows of step {missing[-1]} as attempt {attempt} or an earlier one wrote them"


def write_first(outbox: Outbox, run: RunIdentity, resumed: Resumed, storage: Storage, prefix: str) -> Resumed:
    """Writes the rows that a checkpoint carries, before anything else of the run; written again they change nothing.

    Checkpoints that were committed while the database was away are claimed, too.

    Args:
        outbox: writes them.
        run: the run, and its attempt of now.
        resumed: the checkpoint.
        storage: where the run's checkpoints lie.
        prefix: the run's key prefix, with its trailing slash.

    Returns: the checkpoint, of which no row is unwritten now.

    Raises:
        UnreadableError: the database refuses a row.
    """
    if resumed.saved.unwritten_rows is None:
        return resumed
    rows = RowFiles(resumed.folder / ROWS_FOLDER, run)
    claims = claims_of(storage, prefix, run)
    with reading(resumed.saved.uri):
        outbox.require(lambda ledger: ledger.restore(rows))
    outbox.require(lambda ledger: ledger.write(claims))
    _log.info("database: %d rows written that %s carries", resumed.saved.unwritten_rows, resumed.saved.uri)
    return replace(resumed, saved=replace(resumed.saved, unwritten_rows=None))
