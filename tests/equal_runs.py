"""What two runs must have in common to be equal: the trainer's state, and rows without what the clock made of them."""

from __future__ import annotations

from typing import Any

import psycopg
import torch

from trainyard_api.ledger import VOLATILE

TABLES = ("trajectories", "segments", "turns", "training_metrics", "evaluations", "evaluation_answers")


def rows_of(connection: psycopg.Connection, table: str, uid: str) -> list[tuple[Any, ...]]:
    """A run's rows of a table, in all columns but the volatile ones."""
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'trainyard' AND table_name = %s "
        "ORDER BY ordinal_position",
        [table],
    )
    columns = [name for (name,) in found if name not in VOLATILE and name != "run_uid"]
    assert columns
    listed = ", ".join(columns)
    query = f"SELECT {listed} FROM trainyard.{table} WHERE run_uid = %s ORDER BY {listed}"
    return connection.execute(query, [uid]).fetchall()


def plain(value: Any) -> Any:
    """Tensors as their bytes, and nothing that the clock measured."""
    if isinstance(value, torch.Tensor):
        return (str(value.dtype), tuple(value.shape), value.numpy().tobytes())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if not str(key).endswith("_seconds")}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
