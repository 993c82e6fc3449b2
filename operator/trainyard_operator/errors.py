"""Why the operator can't go on: one base for all that it raises itself.

* TrainyardOperatorError
  x SettingsError         an environment variable is missing or malformed
  x PricesError           the price file can't be used
  x KubeError             the API server refused a request, or can't be reached
  x LedgerError           the ledger can't be used
    + LedgerUnavailable   Postgres can't be reached, or refused a statement
    + LedgerRefused       of these: Postgres answers, and refused a statement
    + ClaimRefused        of these: Postgres takes rows, and never this one
    + MigrationError      the schema can't be brought to this version
  x ReleaseError          the operator can't be stopped, or an object can't be released

Place in the data's way: everywhere; each class stands beside what raises it. A text names the field, the rule and the
value; what a program may want to compare stands in attributes.
"""

from __future__ import annotations


class TrainyardOperatorError(Exception):
    """Base of all errors that this package raises."""
