"""Chooses which rows share a pass of the model.

Place in the data's way: station 8. Pure. Rows of one trajectory stay together, for a loss may need all of them; rows of
like length go together, for a shorter one is padded to the longest. Gradients don't depend on the cut.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainyard_trainer.policy.batches import Row


def cut_rows(rows: Sequence[Row], max_tokens: int) -> list[list[int]]:
    """Gives the indices of the rows of each pass.

    Trajectories in the order of their longest rows, longest first, so that a pass that takes too much memory comes
    early; equals in the rows' own order.

    Args:
        rows: all rows of an update.
        max_tokens: most tokens of a pass, padding included; a trajectory that has more alone gets a pass of its own.
    """
    together: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        together.setdefault(row.trajectory, []).append(index)
    longest_first = sorted(together.values(), key=lambda members: -_longest(rows, members))
    passes: list[list[int]] = []
    width = 0
    for members in longest_first:
        if passes and width * (len(passes[-1]) + len(members)) <= max_tokens:
            passes[-1] += members
        else:
            passes.append(list(members))
            width = _longest(rows, members)
    return passes


def padded_tokens(rows: Sequence[Row], members: Sequence[int]) -> int:
    """Counts the tokens of a pass over the rows of these indices, padding included."""
    return _longest(rows, members) * len(members)


def _longest(rows: Sequence[Row], members: Sequence[int]) -> int:
    return max(len(rows[index].token_ids) for index in members)
