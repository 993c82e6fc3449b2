"""Claims of all checkpoints that a run has committed, for some could not be made while the database was away.

Place in the data's way: from station 9 to station 10.
"""

from __future__ import annotations

from trainyard_api.run_config import RunIdentity
from trainyard_trainer.checkpoints.files import all_committed
from trainyard_trainer.ledger.row_batch import ClaimRows
from trainyard_trainer.storage.storage import Storage


def claims_of(storage: Storage, prefix: str, run: RunIdentity) -> ClaimRows:
    """Makes the rows that claim every committed checkpoint of a run, oldest state first.

    Args:
        storage: where they lie.
        prefix: the run's key prefix, with its trailing slash.
        run: the run; what another one committed isn't claimed.
    """
    found = (one for one in all_committed(storage, prefix) if one.manifest.run_uid == run.uid)
    return ClaimRows(run, [one.saved() for one in found][::-1])
