"""Claims about logins: the user's mistake is told from a database that is away, and no password is shown."""

from __future__ import annotations

import psycopg
import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger.login import Login, connect, refusal

LOGIN = Login("postgresql://app:s3cr3t@db:5432/train", "trainyard-db")


def test_a_login_shows_its_secret_s_name_alone() -> None:
    """In a trace, too."""
    assert repr(LOGIN) == "Login(secret='trainyard-db')"


@pytest.mark.parametrize(
    "text",
    [
        'FATAL:  password authentication failed for user "app"',
        'FATAL:  database "train" does not exist',
        'FATAL:  role "app" is not permitted to log in',
        'FATAL:  no pg_hba.conf entry for host "10.0.0.1"',
    ],
)
def test_what_another_attempt_cant_mend_is_refused(text: str) -> None:
    """In the server's words, naming the field and the Secret."""
    refused = refusal(LOGIN, psycopg.OperationalError(f"connection failed: {text}"))
    assert refused is not None
    assert (refused.reason, refused.value) == (TerminationReason.DATABASE_REFUSED, "trainyard-db")
    assert text.partition("FATAL:")[2].strip() in str(refused)


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("connection refused"),
        psycopg.OperationalError("FATAL:  the database system is starting up"),
        psycopg.errors.SerializationFailure("could not serialize access"),
    ],
)
def test_what_may_pass_is_no_refusal(error: psycopg.Error) -> None:
    """A database that restarts must not cost a run."""
    assert refusal(LOGIN, error) is None


def test_a_refusal_without_a_secret_s_name_names_the_user() -> None:
    """Never the string."""
    assert Login(LOGIN.dsn, None).refused("must be accepted").value == "app"


def test_a_text_that_is_no_login_is_refused_before_any_connection() -> None:
    """Without the parser's words, which quote it."""
    with pytest.raises(RefusedError, match="must hold a connection string") as caught:
        connect(Login("host=db password='s3cr3t", "trainyard-db"))
    assert "s3cr3t" not in str(caught.value)
