"""Runs all rows through the model, pass by pass, and tells when to begin again in smaller passes.

Place in the data's way: station 8, between `torch_policy` and a single pass. After an out-of-memory error the caller
restarts from the first pass; results of earlier passes are dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch

from trainyard_api.termination import TerminationReason
from trainyard_trainer import memory
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.policy.batches import MicroBatch, Row, micro_batch
from trainyard_trainer.policy.micro_batches import cut_rows, padded_tokens
from trainyard_trainer.policy.settings import PolicySettings

log = logging.getLogger(__name__)


class Passes:
    """Passes over rows, in passes that fit into memory.

    Attributes:
        limit: most tokens of a pass, padding included; None while nothing has settled it. One longer trajectory has a
            pass of its own.
        out_of_memory: passes that didn't fit so far.
    """

    def __init__(self, device: torch.device, pad_id: int, settings: PolicySettings) -> None:
        self._device, self._pad_id, self._settings = device, pad_id, settings
        self.limit = settings.micro_batch_tokens
        self.out_of_memory = 0

    @property
    def tokens(self) -> int:
        """Gives the limit, or what it is while nothing has settled it."""
        return self.limit or memory.MAX_TOKENS

    def run(
        self,
        rows: Sequence[Row],
        one_pass: Callable[[Sequence[int], MicroBatch], None],
        between: Callable[[int, int], None] = lambda *_: None,
    ) -> bool:
        """Pass over all rows; gives False, with a lower limit, where a pass didn't fit into memory.

        Args:
            rows: in any order.
            one_pass: gets the indices of some rows, in the order that the batch has them.
            between: called before each pass with the tokens of those done and of those to come, padding included.

        Raises:
            RefusedError: INVALID_MANIFEST, not even one trajectory fits.
        """
        cut = cut_rows(rows, self.tokens)
        done, left = 0, sum(padded_tokens(rows, members) for members in cut)
        for members in cut:
            between(done, left)
            tokens = padded_tokens(rows, members)
            done, left = done + tokens, left - tokens
            batch = micro_batch([rows[index] for index in members], self._pad_id)
            try:
                with memory.pass_edge():
                    one_pass(members, batch.to(self._device))
                continue
            except memory.OutOfMemoryError as error:
                if len({rows[index].trajectory for index in members}) == 1:
                    raise self._too_big(batch) from error
            # Outside of the handler, where the failed pass's tensors are no longer held by the error.
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            self.limit = batch.tokens // 2
            self.out_of_memory += 1
            log.warning("a pass of %d tokens didn't fit into memory; from now on %d", batch.tokens, self.limit)
            return False
        return True

    def _too_big(self, batch: MicroBatch) -> RefusedError:
        return RefusedError(
            TerminationReason.INVALID_MANIFEST,
            f"must give memory for a pass over one trajectory, {batch.tokens} tokens here; "
            "algorithm.gradientCheckpointing takes less",
            field_path="spec.trainer.gpus" if self._device.type == "cuda" else "spec.trainer.memory",
            value=memory.in_words(memory.limit_of(self._device, self._settings.memory_limit_bytes)),
        )
