"""How rows are cut into passes."""

from __future__ import annotations

from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.micro_batches import cut_rows


def row(length: int, trajectory: int) -> Row:
    """A row of this length."""
    return Row((1,) * length, (False,) * length, (0.0,) * length, (0.0,) * length, trajectory)


ROWS = [row(3, 0), row(8, 1), row(2, 2), row(5, 1), row(3, 3), row(4, 0)]


def test_every_row_is_in_one_pass_and_no_trajectory_is_split() -> None:
    """At any limit; a pass over the limit holds a single trajectory."""
    for limit in range(1, 60):
        passes = cut_rows(ROWS, limit)
        assert sorted(index for members in passes for index in members) == list(range(len(ROWS)))
        for members in passes:
            inside = {ROWS[index].trajectory for index in members}
            assert not inside & {ROWS[index].trajectory for other in passes if other is not members for index in other}
            columns = max(len(ROWS[index].token_ids) for index in members)
            assert columns * len(members) <= limit or len(inside) == 1


def test_rows_of_like_length_go_together_the_longest_first() -> None:
    """So little is padding, and what takes the most memory comes first."""
    assert cut_rows(ROWS, 15) == [[1, 3], [0, 5, 4], [2]]
    assert cut_rows(ROWS, 10_000) == [[1, 3, 0, 5, 4, 2]]
    assert cut_rows([], 16) == []
