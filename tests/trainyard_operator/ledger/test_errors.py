"""Claims about the errors of the ledger."""

from __future__ import annotations

from trainyard_operator.ledger.errors import LedgerError, LedgerUnavailable, MigrationError


def test_every_error_of_the_ledger_has_one_base() -> None:
    """Whoever can't go on without the ledger catches that one."""
    assert set(LedgerError.__subclasses__()) == {LedgerUnavailable, MigrationError}
