"""Changes the trainer's mathematics in one place at a time, and says which changes no test notices.

Run by `make mutate`, after which `python -m hack.mutate table` writes the table into docs/architecture.md; no part of
`make test`. mutmut makes the changes and runs the tests, in a copy of the tree outside the repository.
"""
