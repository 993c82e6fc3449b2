"""Rows of a database that is away or hangs are kept, taken along by checkpoints, and written when it is back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.trainyard_trainer.ledger_rows import RUN, batch, hanging, metrics
from tests.trainyard_trainer.stopping import Stop
from tests.waiting import GUARD_SECONDS
from trainyard_api.ledger import CHECKPOINTS, EVALUATION_ANSWERS, TRAINING_METRICS, TRAJECTORIES, TURNS
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger import outbox as outbox_module
from trainyard_trainer.ledger.delivery import DatabaseAwayError, Patience
from trainyard_trainer.ledger.login import Login
from trainyard_trainer.ledger.outbox import Outbox
from trainyard_trainer.ledger.postgres import PostgresLedger
from trainyard_trainer.ledger.row_files import RowFiles
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics

pytestmark = pytest.mark.integration

SHORT: dict[str, Any] = {"prompt": 0.1, "start": GUARD_SECONDS, "away": GUARD_SECONDS, "end": GUARD_SECONDS}
"""What can be kept is kept at once; what can't is waited for."""
SAVED = SavedCheckpoint(1, "s3://b/1/", "sha256:" + "0" * 64, 1, {}, None)

Open = Callable[..., Outbox]


@pytest.fixture
def opened(run: servers.Database) -> Iterator[Open]:
    """Opens an outbox of attempt 1; options are its patience, its stop and its connection string."""
    made: list[Outbox] = []

    def make(*, stop: Stop | None = None, dsn: str = run.trainer, **patience: Any) -> Outbox:
        ledger = PostgresLedger(Login(dsn, "trainyard-db"), RUN, patience_seconds=0)
        made.append(Outbox(ledger, RUN, stop or Stop(), Patience(**(SHORT | patience))))
        return made[-1]

    yield make
    for one in made:
        one.close()


def steps(database: servers.Database) -> list[int]:
    """The steps that have rows."""
    return [step for (step,) in database.rows("SELECT DISTINCT step FROM trainyard.trajectories ORDER BY step")]


def test_rows_are_there_when_a_call_returns(opened: Open, run: servers.Database) -> None:
    """While the database answers, nothing is kept, and a checkpoint takes nothing along."""
    outbox = opened(prompt=GUARD_SECONDS)
    outbox.check()
    for step in range(3):
        outbox.record_step(batch(step), metrics(step))
        assert steps(run)[-1] == step
    outbox.rewind(2)
    assert steps(run) == [0, 1]
    outbox.finish()
    assert outbox.unwritten() == 0


def test_a_checkpoint_has_all_that_the_database_has_not(opened: Open, run: servers.Database, tmp_path: Path) -> None:
    """Rows before its mark, in all tables; not those of a step that came after. Later all of them are written, once."""
    outbox = opened()
    outbox.record_step(batch(0), metrics(0))
    outbox.require(lambda _: None)  # in its turn: on a busy machine those rows take longer than it was prompt
    with hanging(run):
        outbox.record_step(batch(1), metrics(1))
        outbox.record_evaluation(StepMetrics("validation", 2, 2, {"success_rate": 0.5}), batch(0, 1, 2))
        outbox.record_checkpoint(SAVED)
        mark = outbox.mark()
        outbox.record_step(batch(2), metrics(2))
        kept = outbox.keep(mark, tmp_path / "rows")
        assert outbox.unwritten() == kept
    files = RowFiles(tmp_path / "rows", RUN)
    assert {row.step for row in files.of(TRAJECTORIES)} == {1}
    assert [(row.kind, row.step) for row in files.of(TRAINING_METRICS)] == [("step", 1), ("validation", 2)]
    assert [row.uri for row in files.of(CHECKPOINTS)] == [SAVED.uri]
    assert len(list(files.of(TURNS))) == 12
    assert len(list(files.of(EVALUATION_ANSWERS))) == 2
    assert files.check() == kept
    outbox.finish()
    assert (steps(run), outbox.unwritten()) == ([0, 1, 2], 0)
    before = run.rows("SELECT * FROM trainyard.trajectories ORDER BY 2, 3, 4")
    outbox.require(lambda ledger: ledger.restore(files))
    assert run.rows("SELECT * FROM trainyard.trajectories ORDER BY 2, 3, 4") == before
    assert outbox.keep(outbox.mark(), tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


def test_a_database_that_is_gone_is_not_waited_for(opened: Open, run: servers.Database, tmp_path: Path) -> None:
    """Once a try has failed, nobody waits for the next."""
    away = run.trainer.rpartition("host=")[0] + "host=/nowhere"
    outbox = opened(dsn=away, prompt=GUARD_SECONDS)
    for step in range(3):
        outbox.record_step(batch(step), metrics(step))
    assert outbox.keep(outbox.mark(), tmp_path / "rows") == 3 * (1 + 6 + 6 + 12)


FEW_FILES = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from tests.trainyard_trainer.ledger_rows import RUN, batch, metrics
from tests.trainyard_trainer.stopping import Stop
from trainyard_trainer.ledger.login import Login
from trainyard_trainer.ledger.outbox import Outbox
from trainyard_trainer.ledger.postgres import PostgresLedger
from trainyard_trainer.ledger.row_files import RowFiles
outbox = Outbox(PostgresLedger(Login("host=/nowhere", "db"), RUN, patience_seconds=0), RUN, Stop())
for step in range(2000):
    outbox.record_step(batch(step, 1, 1), metrics(step))
print(outbox.keep(outbox.mark(), Path(sys.argv[1])), outbox.unwritten(), RowFiles(Path(sys.argv[1]), RUN).check())
"""


def test_rows_of_2000_steps_wait_with_256_open_files(tmp_path: Path) -> None:
    """A database may be away for many short steps, and a process may open few files."""
    command = [sys.executable, "-c", FEW_FILES, str(tmp_path / "rows")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=GUARD_SECONDS, check=False)
    assert said.stdout.split() == ["10000"] * 3, said.stderr[-500:]


def test_a_stop_bounds_all_waits_together(opened: Open, run: servers.Database, tmp_path: Path) -> None:
    """However patient they are: what can be kept is kept, what can't is said."""
    outbox = opened(stop=Stop(lambda: True), prompt=GUARD_SECONDS, after_stop=0.3)
    with hanging(run):
        outbox.record_step(batch(0), metrics(0))
        assert outbox.keep(outbox.mark(), tmp_path / "rows") == 25
        outbox.record_checkpoint(SAVED)
        outbox.finish()
        with pytest.raises(DatabaseAwayError):
            outbox.rewind(0)


def test_nothing_begins_without_a_database(opened: Open, run: servers.Database) -> None:
    """What must be done first is waited for, within bounds."""
    outbox = opened(start=0.2)
    with hanging(run), pytest.raises(DatabaseAwayError, match="nothing may begin without it"):
        outbox.check()
    outbox.check()


@pytest.mark.parametrize("limit", [{"kept_bytes": 0, "away": 0.2}, {"away": 0.0}])
def test_what_is_kept_is_bounded_in_space_and_time(opened: Open, run: servers.Database, limit: dict[str, Any]) -> None:
    """The run ends rather than fill its disk, or train for ever without a ledger; not where it is about to stop."""
    outbox = opened(**limit)
    with hanging(run), pytest.raises(DatabaseAwayError, match="bytes of rows wait"):
        outbox.record_step(batch(0), metrics(0))
    stopped = opened(**limit, stop=Stop(lambda: True), after_stop=0.1)
    with hanging(run):
        stopped.record_step(batch(1), metrics(1))


def test_rows_wait_only_where_a_checkpoint_can_copy_them(
    opened: Open, run: servers.Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is nearly full evicts the pod, or ends it; what is in no checkpoint is done again, and said."""
    monkeypatch.setattr(outbox_module, "free_bytes", lambda: 10)
    outbox = opened(away=0.5)
    with hanging(run), pytest.raises(DatabaseAwayError, match="in room for 10; steps whose"):
        outbox.record_step(batch(0), metrics(0))
    assert "training waits, for" in caplog.text


def test_an_end_by_an_error_bounds_all_waits_together(opened: Open, run: servers.Database) -> None:
    """However patient they are, for time or for room: it ends as what it is, and doesn't become another error."""
    outbox = opened(kept_bytes=0)
    outbox.hurry()
    with hanging(run):
        outbox.record_step(batch(0), metrics(0))
        outbox.record_checkpoint(SAVED)
        with pytest.raises(DatabaseAwayError):
            outbox.finish()
        outbox.close()


def test_rows_that_wait_at_the_end_are_written_if_the_database_answers(opened: Open, run: servers.Database) -> None:
    """Also those of a run that ended by an error, which no checkpoint has; one that is gone isn't waited for."""
    nowhere = run.trainer.rpartition("host=")[0] + "host=/nowhere"
    outbox, gone = opened(prompt=2.0), opened(dsn=nowhere, prompt=GUARD_SECONDS)
    with hanging(run):
        outbox.record_step(batch(0), metrics(0))
        outbox.record_step(batch(1), metrics(1))
    outbox.hurry()
    outbox.close()
    assert steps(run) == [0, 1]
    gone.record_step(batch(2), metrics(2))
    gone.close()


def test_a_run_does_not_end_well_while_rows_are_in_no_checkpoint(
    opened: Open, run: servers.Database, tmp_path: Path
) -> None:
    """Those of a checkpoint may stay unwritten, and its own claim; those of what was measured after it may not."""
    outbox = opened(end=0.1)
    with hanging(run):
        outbox.record_step(batch(0), metrics(0))
        with pytest.raises(DatabaseAwayError, match="no checkpoint has the last rows"):
            outbox.finish()
        outbox.keep(outbox.mark(), tmp_path / "rows")
        outbox.record_checkpoint(SAVED)
        outbox.finish()
        assert outbox.unwritten() == 25
        outbox.record_evaluation(StepMetrics("evaluation", 1, 1, {}), [])
        with pytest.raises(DatabaseAwayError, match="no checkpoint has the last rows"):
            outbox.finish()


def test_a_given_up_attempt_commits_nothing(opened: Open, run: servers.Database, tmp_path: Path) -> None:
    """A pod whose place another has taken learns it from the next call, and before each checkpoint."""
    outbox = opened()
    run.execute("UPDATE trainyard.runs SET attempt = 2")
    for call in (
        lambda: outbox.keep(outbox.mark(), tmp_path / "rows"),
        lambda: outbox.record_step(batch(0), metrics(0)),
        lambda: outbox.keep(outbox.mark(), tmp_path / "rows"),
        outbox.finish,
    ):
        with pytest.raises(RefusedError) as refused:
            call()
        assert refused.value.reason == TerminationReason.FENCED
    assert steps(run) == []


def test_what_is_no_row_is_said_at_once(opened: Open) -> None:
    """A bug isn't an outage."""
    outbox = opened(prompt=GUARD_SECONDS)
    with pytest.raises(ValueError, match="its prompt must be of step 0"):
        outbox.record_step(batch(1), metrics(0))
