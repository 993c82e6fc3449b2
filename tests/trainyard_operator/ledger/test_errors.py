"""Claims about the errors of the ledger."""

from __future__ import annotations

from trainyard_operator.ledger.errors import ClaimRefused, LedgerError, LedgerRefused, LedgerUnavailable, MigrationError


def test_every_error_of_the_ledger_has_one_base() -> None:
    """Whoever can't go on without the ledger catches that one."""
    assert set(LedgerError.__subclasses__()) == {LedgerUnavailable, MigrationError}


def test_a_refusal_is_a_ledger_that_cant_be_used_for_now() -> None:
    """Who waits for the ledger waits for one that refuses a row too."""
    assert issubclass(LedgerRefused, LedgerUnavailable)
    assert issubclass(ClaimRefused, LedgerRefused)
