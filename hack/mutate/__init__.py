"""Changes the trainer's mathematics, or the operator's decisions, in one place at a time; says what no test notices.

Run by `make mutate`, after which `python -m hack.mutate table` writes the table into docs/mutation.md; no part of
`make test`. mutmut makes the changes and runs the tests, in a copy of the tree outside the repository.
"""
