"""Transactions are made in order by one thread, and whoever waits for one waits as long as it may."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests import servers
from tests.trainyard_trainer.ledger_rows import RUN, batch, hanging, metrics
from tests.trainyard_trainer.stopping import Stop
from tests.waiting import GUARD_SECONDS, until
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger.delivery import Delivery, Patience
from trainyard_trainer.ledger.login import Login
from trainyard_trainer.ledger.postgres import PostgresLedger
from trainyard_trainer.ledger.row_batch import StepRows

pytestmark = pytest.mark.integration

Open = Callable[..., Delivery]
WAITS = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
def opened(run: servers.Database) -> Iterator[Open]:
    """Opens a delivery with an attempt's ledger."""
    made: list[Delivery] = []

    def make(stop: Stop | None = None, after_stop: float = 2.0) -> Delivery:
        ledger = PostgresLedger(Login(run.trainer, "trainyard-db"), RUN, patience_seconds=0)
        made.append(Delivery(ledger, stop or Stop(), Patience(pause=0.1, after_stop=after_stop)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_transactions_are_made_in_order_and_repeated_until_they_are(opened: Open) -> None:
    """A connection that is lost is made anew; nobody overtakes."""
    delivery, order = opened(), []

    def lost_twice(_: PostgresLedger) -> None:
        order.append("first")
        if len(order) < 3:
            raise psycopg.OperationalError

    first = delivery.add(lost_twice)
    assert delivery.ask(lambda _: order.append("second"), GUARD_SECONDS)
    assert order == ["first", "first", "first", "second"]
    assert first.done
    assert not delivery.is_late()


def test_what_is_of_no_use_any_more_is_not_made(opened: Open, run: servers.Database) -> None:
    """Whoever asked has gone on; those behind it aren't held up."""
    delivery, made = opened(), []
    with hanging(run):
        blocking = delivery.add(PostgresLedger.check)
        assert not delivery.ask(lambda _: made.append("too late"), 0.05)
        behind = delivery.add(PostgresLedger.check)
    assert delivery.wait(lambda: blocking.done and behind.done, GUARD_SECONDS)
    assert made == []


def test_an_error_is_that_of_whoever_asked(opened: Open) -> None:
    """The next transaction is made; what the database refuses of rows ends all."""
    delivery = opened()

    def wrong(_: PostgresLedger) -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        delivery.ask(wrong, GUARD_SECONDS)
    assert delivery.ask(PostgresLedger.check, GUARD_SECONDS)
    delivery.add(wrong, StepRows(RUN, batch(0), metrics(0)))
    for _ in range(2):
        with pytest.raises(ValueError, match="wrong"):
            delivery.ask(PostgresLedger.check, GUARD_SECONDS)


@pytest.mark.parametrize("how", ["a stop", "an error", "a stop after an error"])
def test_at_the_end_all_waits_share_what_is_left(opened: Open, run: servers.Database, how: str) -> None:
    """The first has used it up, so the second doesn't wait, however patient; what is there at once is taken."""
    delivery = opened(Stop(lambda: how != "an error"), after_stop=0.2)
    if how != "a stop":
        delivery.hurry(0.2 if how == "an error" else GUARD_SECONDS)
    assert delivery.is_ending()
    with hanging(run):
        assert not delivery.ask(PostgresLedger.check, math.inf)
        assert not delivery.ask(PostgresLedger.check, math.inf)
        assert delivery.wait(lambda: True, GUARD_SECONDS)


@pytest.mark.parametrize(("volume", "kept"), [(None, 2**28), (2**26, 2**23), (2**40, 2**28), (0, 0)])
def test_rows_take_a_small_part_of_their_volume(volume: int | None, kept: int) -> None:
    """A pod that overruns its cache is evicted, and its run loses more than a wait."""
    assert Patience().within(volume).kept_bytes == kept


def test_a_run_that_goes_on_waits_as_long_as_it_likes(opened: Open) -> None:
    """Nothing is bounded before its end."""
    delivery = opened()
    assert delivery.ask(PostgresLedger.check, GUARD_SECONDS)
    assert not delivery.is_ending()


def test_its_end_waits_for_no_server(opened: Open, run: servers.Database) -> None:
    """The thread is left to die with the process."""
    delivery = opened()
    with hanging(run):
        delivery.add(PostgresLedger.check)
        until(lambda: run.rows(WAITS), "the ledger waits for the run's row")
        delivery.close()
        assert delivery._thread.is_alive()
        assert delivery._thread.daemon
    delivery._thread.join(GUARD_SECONDS)
    assert not delivery._thread.is_alive()


def test_a_fence_is_an_error_like_another(opened: Open, run: servers.Database) -> None:
    """Of rows it ends all: nothing more may be written."""
    run.execute("UPDATE trainyard.runs SET attempt = 2")
    delivery = opened()
    rows = StepRows(RUN, batch(0), metrics(0))
    delivery.add(lambda ledger: ledger.write(rows), rows)
    with pytest.raises(RefusedError, match="names attempt 2"):
        delivery.wait(lambda: False, GUARD_SECONDS)
