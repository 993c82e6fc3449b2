"""Why the ledger can't be used.

    LedgerError
    ├── LedgerUnavailable   Postgres can't be reached, or refused a statement
    └── MigrationError      the schema can't be brought to this version

Place in the data's way: station 10. `Ledger.run` raises `LedgerUnavailable` alone: it names a failed migration too.
"""

from __future__ import annotations

from trainyard_operator.errors import TrainyardOperatorError


class LedgerError(TrainyardOperatorError):
    """The ledger can't be used; the text holds no password."""


class LedgerUnavailable(LedgerError):  # noqa: N818 - a state of the world, not a mistake
    """The ledger can't be reached or refused a statement."""


class MigrationError(LedgerError):
    """The database can't be brought to this version; the message says why and what to do."""
