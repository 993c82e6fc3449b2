"""Holds what conversations need to know of a model: its tokenizer and the ids that it can read.

Place in the data's way: station 5, between `models` and the renderers. A value only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Holds a model's tokenizer and the bounds of what it reads.

    Attributes:
        tokenizer: transformers' tokenizer.
        size: number of embeddings; ids from 0 to `size - 1` can be read.
        stop_ids: ids that end any text, by the generation config and the tokenizer, sorted; may be empty.
        context_length: most tokens of a row; None where the model knows no limit.
    """

    tokenizer: Any
    size: int
    stop_ids: tuple[int, ...] = ()
    context_length: int | None = None
