"""Every checkpoint that a run has committed is claimed, as its manifest tells it, and nobody else's."""

from __future__ import annotations

from pathlib import Path

from tests.trainyard_trainer.saved_models import save_checkpoint
from trainyard_api import names
from trainyard_api.ledger import CHECKPOINTS, RUNS
from trainyard_api.run_config import RunIdentity
from trainyard_trainer.checkpoints.claims import claims_of
from trainyard_trainer.storage.storage_folder import FolderStorage


def test_all_committed_checkpoints_of_a_run_are_claimed(tmp_path: Path) -> None:
    """Oldest state first; a folder without COMMIT, the log and another run's checkpoint are none of it."""
    run = RunIdentity(namespace="team-a", name="j", uid="u-1", attempt=7)
    prefix = names.run_prefix("", "team-a", "j", "u-1")
    saved = [save_checkpoint(tmp_path, "j", "u-1", *state) for state in ((4,), (2,), (4, 3))]
    cut_off = save_checkpoint(tmp_path, "j", "u-1", 6)
    storage = FolderStorage(tmp_path)
    (tmp_path / str(storage.key_of(cut_off.uri)) / names.COMMIT_FILE).unlink()
    storage.put(prefix + names.attempt_log(1), b"COMMIT\n")
    save_checkpoint(tmp_path, "j", "u-2", 8)
    rows = list(claims_of(storage, prefix, run).of(CHECKPOINTS))
    assert [row.uri for row in rows] == [saved[number].uri for number in (1, 0, 2)]
    assert [(row.step, row.updates, row.attempt) for row in rows] == [(2, None, 1), (4, None, 1), (4, 3, 1)]
    assert {row.run_uid for row in rows} == {"u-1"}
    assert list(claims_of(storage, prefix, run).of(RUNS)) == []
