"""Runs whose checkpoints carry rows, for their database hung when they were committed."""

from __future__ import annotations

from pathlib import Path

from tests import servers
from tests.trainyard_trainer.ledger_rows import RUN, batch, hanging, metrics
from tests.trainyard_trainer.saved_models import in_memory
from tests.trainyard_trainer.stopping import Stop
from trainyard_api import names
from trainyard_api.run_config import RunIdentity
from trainyard_trainer.checkpoints.files import Origin, load_checkpoint, newest_committed, write_checkpoint
from trainyard_trainer.checkpoints.resumable import Resumed
from trainyard_trainer.ledger.delivery import Patience
from trainyard_trainer.ledger.login import Login
from trainyard_trainer.ledger.outbox import Outbox
from trainyard_trainer.ledger.postgres import PostgresLedger
from trainyard_trainer.pod.carried_rows import why_not
from trainyard_trainer.sinks import SavedCheckpoint, Snapshot
from trainyard_trainer.storage.storage_folder import FolderStorage

PREFIX = names.run_prefix("", RUN.namespace, RUN.name, RUN.uid)


class World:
    """A run's attempts, one after the other, in one database and one folder."""

    def __init__(self, database: servers.Database, folder: Path) -> None:
        self.database = database
        self.storage = FolderStorage(folder / "bucket")
        self._folder = folder
        self._opened: list[Outbox] = []

    def outbox(self, attempt: int = 1) -> tuple[Outbox, RunIdentity]:
        """The outbox of the attempt that is the current one from now on."""
        self.database.execute("UPDATE trainyard.runs SET attempt = %s", attempt)
        identity = RUN.model_copy(update={"attempt": attempt})
        login = Login(self.database.trainer, "trainyard-db")
        ledger = PostgresLedger(login, identity, patience_seconds=0)
        self._opened.append(Outbox(ledger, identity, Stop(), Patience(prompt=0.1)))
        return self._opened[-1], identity

    def close(self) -> None:
        """Close what was opened."""
        for one in self._opened:
            one.close()

    def save(self, outbox: Outbox, step: int, attempt: int = 1) -> SavedCheckpoint:
        """A checkpoint of so many finished steps, with the rows that the database lacks."""
        mark = outbox.mark()
        origin = Origin(RUN.model_copy(update={"attempt": attempt}), f"pod-{attempt}", PREFIX, None)
        snapshot = Snapshot(step, step, in_memory({"model.safetensors": b"w"}), {}, {})
        return write_checkpoint(self.storage, origin, snapshot, keep_rows=lambda folder: outbox.keep(mark, folder))

    def fetched(self, saved: SavedCheckpoint) -> Resumed:
        """Its files, as the next attempt has them."""
        into = self._folder / f"into-{len(list(self._folder.iterdir()))}"
        into.mkdir()
        load_checkpoint(self.storage, saved.uri, saved.digest, into)
        committed = newest_committed(self.storage, PREFIX)
        assert committed is not None
        return Resumed(committed.saved(), into)

    def verdict(self, outbox: Outbox, identity: RunIdentity, resumed: Resumed) -> str | None:
        """Why the attempt can't go on from it."""
        committed = newest_committed(self.storage, PREFIX)
        assert committed is not None
        return why_not(outbox, identity, committed, resumed.folder)

    def steps(self) -> list[tuple[int, int]]:
        """Each step with rows, and the attempt that wrote them."""
        return self.database.rows("SELECT DISTINCT step, attempt FROM trainyard.trajectories ORDER BY step")


def two_steps_of_which_one_is_carried(world: World) -> SavedCheckpoint:
    """A checkpoint that the first attempt made while the database hung."""
    outbox, _ = world.outbox()
    outbox.record_step(batch(0), metrics(0))
    with hanging(world.database):
        outbox.record_step(batch(1), metrics(1))
        saved = world.save(outbox, 2)
        outbox.close()  # the pod is gone before the database is back
    return saved
