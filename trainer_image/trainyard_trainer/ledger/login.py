"""Logging in to the ledger's database, and telling the user's mistake from a database that is away.

Place in the data's way: station 10. A wrong password must fail before any work and never be tried again; a database
that restarts must not cost a run. No message of this module quotes the connection string.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError, TrainerError

_FIELD: Final = "spec.database.secretRef.name"

# libpq gives no SQLSTATE for a login that failed, so the server's own (English) words must do; other words count as a
# database that is away, which ends in a crash instead of a refusal.
_REFUSALS: Final = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied for database",
)
_REFUSED_STATES: Final = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.InvalidAuthorizationSpecification,
    psycopg.errors.InvalidPassword,
    psycopg.errors.InvalidCatalogName,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
)


class LoginLostError(TrainerError):
    """The server no longer takes a login that it has taken before, as after a rotated password or during a restore."""


OUTAGES: Final = (
    LoginLostError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # A connection to a server that has become a standby, or that is protected as its disk is full; a new one may do.
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)
"""What ends when the database is back, and says nothing of the rows."""


@dataclass(frozen=True, slots=True)
class Login:
    """A connection string and the Secret it comes from; `repr` doesn't show the string."""

    dsn: str
    secret: str | None

    def __repr__(self) -> str:
        return f"Login(secret={self.secret!r})"

    def refused(self, rule: str) -> RefusedError:
        """Makes the error that names the Secret, or the login's user where the Secret's name isn't known."""
        value = self.secret or str(conninfo_to_dict(self.dsn).get("user", ""))
        return RefusedError(TerminationReason.DATABASE_REFUSED, rule, field_path=_FIELD, value=value)


def connect(login: Login) -> psycopg.Connection:
    """Opens a connection that notices a dead peer within about half a minute.

    Raises:
        RefusedError: the string isn't one, or the server refuses the login.
        psycopg.OperationalError: the server can't be reached.
    """
    try:
        conninfo_to_dict(login.dsn)
    except psycopg.ProgrammingError:
        # Not `from error`: its text quotes the string, password and all.
        raise RefusedError(
            TerminationReason.DATABASE_REFUSED,
            "the key dsn must hold a connection string, as postgresql://user:password@host:5432/database",
            field_path=_FIELD,
            value=login.secret,
        ) from None
    try:
        return psycopg.connect(
            login.dsn,
            autocommit=True,  # transactions are explicit blocks
            prepare_threshold=None,  # poolers give each transaction another session
            application_name="trainyard-trainer",
            connect_timeout=10,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=30_000,
        )
    except psycopg.OperationalError as error:
        refused = refusal(login, error)
        if refused is not None:
            raise refused from error
        raise


def refusal(login: Login, error: psycopg.Error) -> RefusedError | None:
    """Turns a database error into the refusal that it means; None when another attempt might fare better."""
    if isinstance(error, _REFUSED_STATES):
        return login.refused(
            "the login must be a member of the role trainyard_trainer of a database that the operator has prepared "
            f"(the server said: {error.diag.message_primary})"
        )
    text = str(error)
    unknown = ("database" in text or "role" in text) and "does not exist" in text
    if isinstance(error, psycopg.OperationalError) and (unknown or any(words in text for words in _REFUSALS)):
        said = text.strip().splitlines()[-1].rpartition("FATAL:")[2].strip()
        return login.refused(f"the server must accept the Secret's login (the server said: {said})")
    return None
