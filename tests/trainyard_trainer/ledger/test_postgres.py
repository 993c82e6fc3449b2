"""The ledger keeps each step whole, once, and only for the attempt that is the current one."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

import psycopg
import pytest

from tests import servers
from tests.trainyard_trainer.clock import Clock
from tests.trainyard_trainer.ledger_rows import NOW, RUN, batch, metrics, trajectory
from tests.waiting import GUARD_SECONDS
from trainyard_api.progress import ReportedEvaluation
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger import rows as ledger_rows
from trainyard_trainer.ledger.login import OUTAGES, Login, LoginLostError
from trainyard_trainer.ledger.postgres import PostgresLedger
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics
from trainyard_trainer.trajectory import (
    TrajectoryStatus,
)

pytestmark = pytest.mark.integration

TABLES = ("trajectories", "segments", "turns", "training_metrics")


@pytest.fixture
def ledger(run: servers.Database):
    """Attempt 1's ledger, as the trainers' login."""
    ledger = PostgresLedger(Login(run.trainer, "trainyard-db"), RUN)
    yield ledger
    ledger.close()


def counts(database: servers.Database) -> dict[str, int]:
    """Rows of each table that a step writes."""
    return {table: database.rows(f"SELECT count(*) FROM trainyard.{table}")[0][0] for table in TABLES}


def test_every_trajectory_turn_and_segment_of_a_step_is_a_row(ledger: PostgresLedger, run: servers.Database) -> None:
    """Nothing of a step is lost, and each value lies in its column."""
    ledger.check()
    ledger.record_step(batch(0), metrics(0))

    assert counts(run) == {"trajectories": 6, "segments": 6, "turns": 12, "training_metrics": 1}
    row = run.rows(
        "SELECT group_id, status, success, rewards, total_reward, normalised_reward, advantage, attempt, started_at "
        "FROM trainyard.trajectories WHERE prompt = 1 AND sample = 2"
    )
    assert row == [("0/1", "ok", True, {"exact": 1.0}, 1.0, 0.5, 0.5, 1, NOW)]
    segment = run.rows("SELECT token_ids, mask, logprobs, policy_versions FROM trainyard.segments LIMIT 1")[0]
    assert segment == (list(range(8)), [False] * 4 + [True] * 4, [None] * 4 + [-0.5] * 4, [0] * 8)
    turn = run.rows(
        "SELECT role, text, tool_call, tool_ok, finish_reason, temperature, max_new_tokens, stop_ids, "
        "token_start, token_end, duration_seconds FROM trainyard.turns WHERE turn = 1 LIMIT 1"
    )[0]
    assert turn == ("policy", "add 2 2", "add 2 2\nadd 2", [True, False], "stop", 1.0, 16, [3], 4, 8, 0.25)
    assert run.rows("SELECT DISTINCT tool_call, tool_ok FROM trainyard.turns WHERE turn = 0") == [(None, None)]


def test_metrics_are_columns_and_clocked_ones_lie_apart(ledger: PostgresLedger, run: servers.Database) -> None:
    """What a replay gives again doesn't mix with what depends on the clock; the common names are columns."""
    ledger.record_step([], metrics(3, reward_mean=0.25, success_rate=0.5, update_seconds=2.0, tokens_per_second=9.0))
    ledger.record_evaluation(StepMetrics("evaluation", 3, 3, {"success_rate": 0.75}), [])
    row = run.rows(
        "SELECT measurements, timings, reward_mean, success_rate, update_seconds FROM trainyard.training_metrics "
        "WHERE kind = 'step'"
    )
    values = {"reward_mean": 0.25, "success_rate": 0.5}, {"update_seconds": 2.0, "tokens_per_second": 9.0}
    assert row == [(*values, 0.25, 0.5, 2.0)]
    row = run.rows("SELECT step, success_rate FROM trainyard.training_metrics WHERE kind = 'evaluation'")
    assert row == [(3, 0.75)]


def test_a_replayed_step_takes_the_place_of_its_rows(ledger: PostgresLedger, run: servers.Database) -> None:
    """A second rollout of a step leaves no row of the first, even where it has fewer."""
    ledger.record_step(batch(0), metrics(0))
    ledger.record_step(batch(1), metrics(1))
    ledger.record_step([replace(t, answer="5") for t in batch(1, prompts=1)], metrics(1, reward_mean=0.0))

    assert counts(run) == {"trajectories": 9, "segments": 9, "turns": 18, "training_metrics": 2}
    assert run.rows("SELECT DISTINCT answer FROM trainyard.trajectories WHERE step = 1") == [("5",)]
    assert run.rows("SELECT reward_mean FROM trainyard.training_metrics WHERE step = 1") == [(0.0,)]


def test_a_late_trajectory_is_trained_once(ledger: PostgresLedger, run: servers.Database) -> None:
    """Its row says which step asked and which trained; if another step trains on it after a replay, the row moves."""
    late = replace(trajectory(0, 7, 0), turn_rewards=(0.5, math.nan))
    ledger.record_step(batch(0), metrics(0))
    ledger.record_step([*batch(2), late], metrics(2))
    ledger.record_step(batch(2), metrics(2))
    assert run.rows("SELECT count(*) FROM trainyard.trajectories WHERE prompt = 7") == [(0,)]
    ledger.record_step([*batch(2), late], metrics(2))
    ledger.record_step([late], metrics(3))
    row = run.rows("SELECT step, trained_step, turn_rewards FROM trainyard.trajectories WHERE prompt = 7")
    assert (row, counts(run)["trajectories"]) == ([(0, 3, [0.5, None])], 6 + 6 + 1)


def test_rewinding_removes_what_is_done_again(ledger: PostgresLedger, run: servers.Database) -> None:
    """Steps that aren't finished go, late trajectories by the step that trained them, and measurements taken after."""
    for step in range(4):
        ledger.record_step([*batch(step), trajectory(0, 10 + step, 0)], metrics(step))
    for finished in range(5):
        measured = StepMetrics("validation", finished, finished, {"success_rate": 0.5})
        ledger.record_evaluation(measured, [trajectory(0, 0, 0)])
    ledger.rewind(2)
    late = run.rows("SELECT step, prompt, trained_step FROM trainyard.trajectories WHERE prompt >= 10 ORDER BY 2")
    assert late == [(0, 10, 0), (0, 11, 1)]
    assert run.rows("SELECT max(step), count(*) FROM trainyard.trajectories WHERE prompt < 10") == [(1, 12)]
    metric_rows = run.rows("SELECT kind, max(step) FROM trainyard.training_metrics GROUP BY kind ORDER BY kind")
    assert metric_rows == [("step", 1), ("validation", 2)]
    assert run.rows("SELECT max(step), count(*) FROM trainyard.evaluation_answers") == [(2, 3)]


def test_a_given_up_attempt_may_not_rewind(ledger: PostgresLedger, run: servers.Database) -> None:
    """A pod that was given up for dead takes nothing from its successor."""
    ledger.record_step(batch(0), metrics(0))
    run.execute("UPDATE trainyard.runs SET attempt = 2")
    with pytest.raises(RefusedError) as refused:
        ledger.rewind(0)
    assert refused.value.reason == TerminationReason.FENCED
    assert counts(run)["trajectories"] == 6


def test_every_answer_of_an_evaluation_is_a_row(ledger: PostgresLedger, run: servers.Database) -> None:
    """Which query, what was answered, how it was judged, what it took, what was concluded; a repeat replaces."""
    answers = batch(0, prompts=2, samples=2)
    result = ReportedEvaluation(questions=2, difference="0.5", p_value="0.01", verdict="Improved", test="McNemar")
    measured = StepMetrics("evaluation", 9, 9, {"success_rate": 1.0})
    ledger.record_evaluation(measured, [*answers, trajectory(0, 5, 0)], result)
    ledger.record_evaluation(measured, answers, result)
    row = run.rows("SELECT kind, step, attempt, answers, result FROM trainyard.evaluations")
    assert row == [("evaluation", 9, 1, 4, result.to_wire())]
    rows = run.rows(
        "SELECT question, sample, query, expected, answer, status, success, rewards, total_reward, policy_turns, "
        "policy_tokens, tool_calls, tool_calls_ok FROM trainyard.evaluation_answers ORDER BY 1, 2"
    )
    same = ("2 + 2", "4", "4", "ok", True, {"exact": 1.0}, 1.0, 1, 4, 2, 1)
    assert rows == [(question, sample, *same) for question in range(2) for sample in range(2)]


def test_a_step_that_fails_in_the_middle_leaves_nothing(ledger: PostgresLedger, run: servers.Database) -> None:
    """A step's rows and metrics are kept together or not at all."""
    ledger.record_step(batch(0), metrics(0))
    with pytest.raises(ValueError, match="metric loss: a measurement without a value must be absent; got nan"):
        ledger.record_step(batch(0, prompts=4), metrics(0, loss=math.nan))
    assert counts(run) == {"trajectories": 6, "segments": 6, "turns": 12, "training_metrics": 1}


def test_a_connection_killed_in_the_middle_loses_and_doubles_nothing(
    ledger: PostgresLedger, run: servers.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the session between a step's tables; the whole step is written again over a new one."""
    ledger.record_step(batch(0), metrics(0))
    killed = []
    real = ledger_rows.rows

    def rows_that_kill(*arguments):
        content = real(*arguments)

        def killing(turns):
            if not killed:
                killed.extend(
                    run.rows(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE application_name = 'trainyard-trainer' AND datname = current_database()"
                    )
                )
            yield from turns

        return content | {"turns": killing(content["turns"])}

    monkeypatch.setattr("trainyard_trainer.ledger.row_batch.rows", rows_that_kill)
    ledger.record_step(batch(1), metrics(1))

    assert killed == [(True,)]
    assert counts(run) == {"trajectories": 12, "segments": 12, "turns": 24, "training_metrics": 2}


def test_a_database_that_stays_away_is_a_crash_after_patience_ends(
    run: servers.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait is bounded, and no refusal is made of it."""
    clock = Clock()
    monkeypatch.setattr("trainyard_trainer.ledger.postgres.time", clock)
    away = run.trainer.rpartition("host=")[0] + "host=/nowhere"
    ledger = PostgresLedger(Login(away, "trainyard-db"), RUN, patience_seconds=12)
    with pytest.raises(psycopg.OperationalError):
        ledger.record_step(batch(0), metrics(0))
    assert clock.slept == [1.0, 2.0, 4.0]


def test_an_attempt_that_was_succeeded_can_write_nothing(ledger: PostgresLedger, run: servers.Database) -> None:
    """A pod that was given up for dead learns that it is, and harms no row of its successor."""
    run.execute("UPDATE trainyard.runs SET attempt = 2 WHERE uid = %s", RUN.uid)
    saved = SavedCheckpoint(1, "s3://b/1/", "sha256:" + "0" * 64, 1, {}, None)
    for write in (
        lambda: ledger.record_step(batch(0), metrics(0)),
        lambda: ledger.record_evaluation(metrics(0), []),
        lambda: ledger.record_checkpoint(saved),
        ledger.check,
    ):
        with pytest.raises(RefusedError, match="names attempt 2") as refused:
            write()
        assert refused.value.reason == TerminationReason.FENCED
    assert counts(run) == dict.fromkeys(TABLES, 0)


def test_a_succession_waits_for_the_step_being_written(run: servers.Database) -> None:
    """The fence is a lock: the operator's next attempt begins after the open transaction, not beside it."""
    ledger = PostgresLedger(Login(run.trainer, "trainyard-db"), RUN)
    order = []

    def succeed() -> None:
        run.execute("UPDATE trainyard.runs SET attempt = 2 WHERE uid = %s", RUN.uid)
        order.append("succeeded")

    successor = threading.Thread(target=succeed)

    def work(_: psycopg.Cursor) -> None:
        successor.start()
        time.sleep(0.5)  # for a successor that doesn't wait to show itself
        order.append("written")

    ledger._transact(work)
    successor.join(GUARD_SECONDS)
    ledger.close()
    assert order == ["written", "succeeded"]


def test_an_unknown_run_is_fenced(ledger: PostgresLedger, run: servers.Database) -> None:
    """Without the operator's row there is nothing to write for."""
    run.execute("DELETE FROM trainyard.runs")
    with pytest.raises(RefusedError, match="no such run"):
        ledger.check()


def test_what_postgres_cannot_hold_is_replaced(ledger: PostgresLedger, run: servers.Database) -> None:
    """NUL, half a surrogate pair and rewards that aren't numbers lose no trajectory."""
    odd = replace(
        trajectory(0, 0, 0),
        answer="a\x00b\ud800c",
        status=TrajectoryStatus.FAILED_REWARD,
        rewards={"exact": math.nan, "length": math.inf, "format": 1.0},
        total_reward=None,
        normalised_reward=None,
        advantage=0.0,
    )
    ledger.record_step([odd], metrics(0))
    row = run.rows("SELECT answer, rewards, total_reward FROM trainyard.trajectories")
    assert row == [("a\ufffdb\ufffdc", {"exact": None, "length": None, "format": 1.0}, None)]


def test_a_checkpoint_is_claimed_once(ledger: PostgresLedger, run: servers.Database) -> None:
    """A claim repeated after a lost reply changes nothing."""
    saved = SavedCheckpoint(2, "s3://b/x/", "sha256:" + "1" * 64, 77, {"reward": "0.5"}, "s3://b/parent/")
    ledger.record_checkpoint(saved)
    ledger.record_checkpoint(replace(saved, attempt=1))
    columns = "run_uid, attempt, step, updates, uri, digest, size_bytes, metrics, parent_uri"
    row = run.rows(f"SELECT {columns} FROM trainyard.checkpoints")
    assert row == [(RUN.uid, 1, 2, None, saved.uri, saved.digest, 77, {"reward": "0.5"}, "s3://b/parent/")]


def test_a_claim_made_late_names_the_attempt_that_wrote_it(run: servers.Database) -> None:
    """The pod died between COMMIT and claim: its successor claims for it, between two updates of a step."""
    run.execute("UPDATE trainyard.runs SET attempt = 2")
    ledger = PostgresLedger(Login(run.trainer, "trainyard-db"), RUN.model_copy(update={"attempt": 2}))
    saved = SavedCheckpoint(2, "s3://b/x/", "sha256:" + "1" * 64, 77, {}, None, updates=3, attempt=1)
    ledger.record_checkpoint(saved)
    ledger.close()
    assert run.rows("SELECT attempt, step, updates FROM trainyard.checkpoints") == [(1, 2, 3)]


def test_a_trajectory_of_a_later_step_is_refused(ledger: PostgresLedger) -> None:
    """What was asked in a later step can't have been trained on in this one."""
    with pytest.raises(ValueError, match="its prompt must be of step 0, which trains on it, or earlier"):
        ledger.record_step(batch(1), metrics(0))


def refusal_of(dsn: str) -> RefusedError:
    """What the check at the start raises."""
    ledger = PostgresLedger(Login(dsn, "trainyard-db"), RUN)
    with pytest.raises(RefusedError) as refused:
        ledger.check()
    ledger.close()
    return refused.value


def test_a_wrong_password_is_refused_before_any_work(run: servers.Database) -> None:
    """The message names the field and the Secret, says what the server said, and holds no password."""
    error = refusal_of(run.trainer.replace(servers.PASSWORD, "wrong-horse"))
    assert error.reason == TerminationReason.DATABASE_REFUSED
    assert (error.field_path, error.value) == ("spec.database.secretRef.name", "trainyard-db")
    assert "password authentication failed" in str(error)
    assert "wrong-horse" not in str(error)


def test_an_unknown_database_is_refused(run: servers.Database) -> None:
    """A typing error in the Secret isn't tried again."""
    name = psycopg.conninfo.conninfo_to_dict(run.trainer)["dbname"]
    assert 'database "elsewhere" does not exist' in str(refusal_of(run.trainer.replace(f"/{name}", "/elsewhere")))


def test_a_text_that_is_no_connection_string_is_refused_without_quoting_it() -> None:
    """The library's own error quotes the string, password and all; ours doesn't."""
    error = refusal_of("host=db password='secret-horse")
    assert "must hold a connection string" in str(error)
    assert "secret-horse" not in str(error)
    assert error.__cause__ is None


def test_a_login_without_the_role_is_refused(postgres: servers.Postgres, run: servers.Database) -> None:
    """Missing grants are the user's mistake; the message names the role to grant."""
    name = psycopg.conninfo.conninfo_to_dict(run.owner)["dbname"]
    stranger = postgres.login()
    error = refusal_of(postgres.dsn(stranger, servers.PASSWORD, name))
    assert error.reason == TerminationReason.DATABASE_REFUSED
    assert "member of the role trainyard_trainer" in str(error)


def test_rights_are_found_missing_at_the_start(run: servers.Database) -> None:
    """A table that the login can't write is named by the check, not by step 1."""
    run.execute("REVOKE INSERT ON trainyard.turns FROM trainyard_trainer")
    assert "it lacks INSERT on trainyard.turns" in str(refusal_of(run.trainer))


def sessions_end(database: servers.Database) -> None:
    """Ends what the trainers have open, as a failover does."""
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'trainyard-trainer' AND datname = current_database()"
    )


def test_a_login_that_was_taken_once_is_away_when_it_is_no_longer(
    postgres: servers.Postgres, run: servers.Database
) -> None:
    """A rotated password ends no run for good: another attempt reads the Secret, which may hold the new one."""
    name = psycopg.conninfo.conninfo_to_dict(run.owner)["dbname"]
    user = postgres.login("GRANT trainyard_trainer TO {login}")
    dsn = postgres.dsn(user, servers.PASSWORD, name)
    ledger = PostgresLedger(Login(dsn, "trainyard-db"), RUN, patience_seconds=2)  # the first try finds the session gone
    ledger.record_step(batch(0), metrics(0))
    run.execute(f"ALTER ROLE {user} PASSWORD 'rotated'")
    sessions_end(run)
    with pytest.raises(LoginLostError):
        ledger.record_step(batch(1), metrics(1))
    assert "password authentication failed" in str(refusal_of(dsn))
    run.execute(f"ALTER ROLE {user} PASSWORD '{servers.PASSWORD}'")
    ledger.record_step(batch(1), metrics(1))
    ledger.close()
    assert counts(run)["training_metrics"] == 2


def test_a_server_that_has_become_read_only_is_away(ledger: PostgresLedger, run: servers.Database) -> None:
    """A failover leaves the connection at the old primary, which answers and takes no row: the next one may."""
    ledger.record_step(batch(0), metrics(0))
    role = psycopg.conninfo.conninfo_to_dict(run.trainer)["user"]
    run.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    sessions_end(run)
    ledger._patience = 2
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as caught:
        ledger.record_step(batch(1), metrics(1))
    assert isinstance(caught.value, OUTAGES)
    run.execute(f"ALTER ROLE {role} RESET default_transaction_read_only")
    ledger.record_step(batch(1), metrics(1))
    assert counts(run)["training_metrics"] == 2
