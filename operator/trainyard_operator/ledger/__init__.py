"""The operator's side of the ledger: runs, attempts, what pods have cost, and what trainers have written.

Place in the data's way: station 10. `connection` is the login; every other module is one table's statements, each a
function of a `Ledger`. Statements derive their columns from `trainyard_api.ledger`.
"""
