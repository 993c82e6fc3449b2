"""A batch gives each table's rows from the first one on, as often as it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainyard_trainer.ledger_rows import RUN, batch, metrics
from trainyard_api.ledger import TABLES
from trainyard_trainer.ledger.row_batch import WRITTEN_TABLES, ClaimRows, MeasurementRows, StepRows
from trainyard_trainer.ledger.trainer_statements import NEEDED_RIGHTS
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics

SAVED = SavedCheckpoint(1, "s3://b/1/", "sha256:" + "0" * 64, 1, {}, None)


@pytest.mark.parametrize(
    ("made", "counts"),
    [
        (StepRows(RUN, batch(1), metrics(1)), {"training_metrics": 1, "trajectories": 6, "segments": 6, "turns": 12}),
        (StepRows(RUN, [], metrics(1)), {"training_metrics": 1}),
        (
            MeasurementRows(RUN, StepMetrics("validation", 1, 1, {}), batch(0), None),
            {"training_metrics": 1, "evaluations": 1, "evaluation_answers": 6},
        ),
        (ClaimRows(RUN, [SAVED, SAVED]), {"checkpoints": 2}),
    ],
)
def test_rows_can_be_read_again(made: Any, counts: dict[str, int]) -> None:
    """All of the run, none of a table that it doesn't write."""
    for table in TABLES:
        rows = list(made.of(table))
        assert len(rows) == counts.get(table.name, 0)
        assert rows == list(made.of(table))
        assert {row.run_uid for row in rows} <= {RUN.uid}


def test_every_table_that_a_trainer_may_write_is_one_of_a_batch() -> None:
    """So a checkpoint can carry the rows of each."""
    assert {table.name for table in WRITTEN_TABLES} == {name for name, _ in NEEDED_RIGHTS}
