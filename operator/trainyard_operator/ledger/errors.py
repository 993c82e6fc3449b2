"""Why the ledger can't be used.

    LedgerError
    ├── LedgerUnavailable       Postgres can't be reached, or refused a statement
    │   └── LedgerRefused       it answers, and refused a statement, as while its disk is full
    │       └── ClaimRefused    it takes rows, and never this one
    └── MigrationError          the schema can't be brought to this version

Place in the data's way: station 10. `Ledger.run` raises the first two alone; a failed migration is one of them there.
"""

from __future__ import annotations

from trainyard_operator.errors import TrainyardOperatorError


class LedgerError(TrainyardOperatorError):
    """The ledger can't be used; the text holds no password."""


class LedgerUnavailable(LedgerError):  # noqa: N818 - a state of the world, not a mistake
    """The ledger can't be reached or refused a statement."""


class LedgerRefused(LedgerUnavailable):
    """The ledger answers and refused a statement; the text is the server's."""


class ClaimRefused(LedgerRefused):
    """The row of a checkpoint can't be written, however often it is tried; the text says why."""


class MigrationError(LedgerError):
    """The database can't be brought to this version; the message says why and what to do."""
