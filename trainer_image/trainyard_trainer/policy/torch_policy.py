"""Holds the weights in torch, with AdamW: scores rows, takes updates, copies states.

Place in the data's way: stations 5 and 8. Implements `policy.policy.Policy`. The model is in eval mode throughout:
dropout would make the ratio to the sampler's distribution wrong. Each rank of a process group holds all weights and
passes over its own rows, in as many passes as it likes; gradients are summed at the end, so all ranks take the same
step. `models` brings the model and reads its files.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from trainyard_api.algorithm import Precision
from trainyard_trainer import memory
from trainyard_trainer.errors import DroppedError
from trainyard_trainer.models.export import model_files, take_weights
from trainyard_trainer.models.load import LoadedModel, infinite_weight
from trainyard_trainer.numbers import Numbers, mean, total
from trainyard_trainer.policy.batches import MicroBatch, Row, micro_batch
from trainyard_trainer.policy.compiling import compiled
from trainyard_trainer.policy.dropping import Passing
from trainyard_trainer.policy.footprint import Footprint
from trainyard_trainer.policy.logprobs.head import find_head
from trainyard_trainer.policy.loss import Loss, LossInputs, TokenLosses
from trainyard_trainer.policy.model_pass import Scores, by_full_logits, by_hidden_states
from trainyard_trainer.policy.passes import Passes
from trainyard_trainer.policy.policy import SamplerTolerance
from trainyard_trainer.policy.precision import Weights
from trainyard_trainer.policy.ranks import Ranks
from trainyard_trainer.policy.recompute import layers_of, recomputed
from trainyard_trainer.policy.reference import Reference
from trainyard_trainer.policy.settings import PolicySettings
from trainyard_trainer.policy.tally import Tally
from trainyard_trainer.sinks import Snapshot
from trainyard_trainer.stop import NeverStopped, Stop

WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0
SAMPLER_TOLERANCE = {
    Precision.FLOAT32: SamplerTolerance(largest=0.05, mean=math.inf),
    Precision.BFLOAT16: SamplerTolerance(largest=math.inf, mean=0.1),
}
"""At temperature 1. Measured: below 1e-4 in float32. In bfloat16 a single token may be far off by rounding, so that the
mean counts, as it does at load: with contexts of 1,000 tokens up to 0.025, where the self-check's short conversations
have the 0.020 that it lets pass; larger models and longer contexts may well have a few times as much."""
log = logging.getLogger(__name__)
_TRIAL = Loss(lambda inputs: TokenLosses(-inputs.logprobs))
"""What memory is tried with: any loss of all tokens would do."""


class TorchPolicy:
    """Trains a causal language model; see `policy.policy.Policy`.

    Attributes:
        model: what computes, for samplers too; in eval mode.
        tokenizer: the model's.
        pad_id: fills unused columns.
        device: where weights and passes live: a GPU where there is one.
        settings: as given.
        architecture: name of the model's class.
        learning_rate: AdamW's, constant.
        slots: conversations that are sampled at a time, as an engine settled it: kept in the state, for another number
            rounds log-probabilities otherwise; None before.
        sampler_tolerance: see `policy.policy.Policy`.
        ranks: the processes of `group`, a torch.distributed process group that shares each update; None for one.

    Raises:
        RefusedError: a setting that this model or machine can't have.
    """

    def __init__(
        self, loaded: LoadedModel, settings: PolicySettings, group: Any = None, stop: Stop | None = None
    ) -> None:
        self.settings = settings
        self._loaded = loaded
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._weights = Weights(loaded.model.to(self.device).eval(), settings.precision)
        self.model = self._weights.model
        self.tokenizer = loaded.tokenizer
        self.pad_id: int = loaded.pad_id
        self.architecture = type(loaded.model).__name__
        self.learning_rate = settings.learning_rate
        # A temperature below 1 makes the logits' differences as much larger.
        usual, scale = SAMPLER_TOLERANCE[settings.precision], 1 / min(1.0, settings.temperature)
        self.sampler_tolerance = SamplerTolerance(usual.largest * scale, usual.mean * scale)
        self._layers = layers_of(self.model) if settings.gradient_checkpointing else []
        self._pass = self._find_pass()
        self._reference = Reference(self._weights.computing) if settings.keep_reference else None
        self.ranks = Ranks(group, self.device)
        self._stop = stop or NeverStopped()
        self._optimizer = torch.optim.AdamW(
            self._weights.trained, lr=self.learning_rate, weight_decay=WEIGHT_DECAY, fused=True
        )
        self._footprint = Footprint(self._weights, settings, self.device)
        self._passes = Passes(self.device, self.pad_id, settings)
        self._version = 0
        self._skipped_in_a_row = 0
        self.slots: int | None = None

    @property
    def version(self) -> int:
        """Counts the optimizer updates done so far."""
        return self._version

    @property
    def skipped_in_a_row(self) -> int:
        """Counts the updates skipped since the last that was done."""
        return self._skipped_in_a_row

    def has_finite_weights(self) -> bool:
        """Tells whether every weight of the model is a finite number."""
        return infinite_weight(self.model) is None

    @property
    def micro_batch_tokens(self) -> int:
        """Gives the most tokens of a pass, padding included; one longer trajectory has a pass of its own."""
        return self._passes.tokens

    @property
    def trained(self) -> list[torch.nn.Parameter]:
        """Gives the float32 parameters that learn."""
        return self._weights.trained

    def score(self, rows: Sequence[Row]) -> list[tuple[float, ...]]:
        """Gives log-probabilities of each row's tokens under the weights of now; NaN where the mask is False.

        Raises:
            DroppedError: a stop was asked for, and the rest doesn't fit into its grace.
        """
        found: dict[int, tuple[float, ...]] = {}

        passing = Passing(self._stop, self.device, math.inf)  # somebody has paid for the rows

        def one_pass(members: Sequence[int], batch: MicroBatch) -> None:
            flat = iter(self._pass(batch)[0].tolist() if len(batch.targets) else ())
            for index in members:
                found[index] = tuple(next(flat) if trained else float("nan") for trained in rows[index].mask)

        with torch.no_grad(), self._as_before():
            while not self._passes.run(rows, one_pass, passing.heed):
                found.clear()
                passing.begin_again()
        return [found[index] for index in range(len(rows))]

    def reference_score(self, rows: Sequence[Row]) -> list[tuple[float, ...]]:
        """Gives the same under the reference: the weights that the run began with.

        Raises:
            ValueError: the settings didn't ask to keep a reference.
        """
        if self._reference is None:
            raise ValueError("settings.keep_reference: must be true for scores of the reference; got False")
        with self._reference.in_place():
            return self.score(rows)

    def update(self, rows: Sequence[Row], loss: Loss) -> Numbers:
        """Makes one optimizer update on the weighted sum of all rows' token losses, over all ranks.

        Gradients are clipped to norm 1. A loss or gradient that isn't finite changes nothing and is counted.

        Raises:
            RefusedError: INVALID_MANIFEST, not even one trajectory's pass fits into memory.
            DroppedError: a stop was asked for, and to make the update again costs less; all is as it was before.
        """
        tally, given_up = self.accumulate(rows, loss)
        grad_norm = float(torch.nn.utils.clip_grad_norm_(self._weights.trained, MAX_GRAD_NORM))
        done = math.isfinite(tally.loss) and math.isfinite(grad_norm)
        if done:
            self._optimizer.step()
            self._weights.publish()
            self._version += 1
            self._skipped_in_a_row = 0
        else:
            self._skipped_in_a_row += 1
        self._weights.clear()
        own = {"loss": mean(tally.loss), "grad_norm": mean(grad_norm)}
        counts = {"skipped_updates": total(float(not done)), "out_of_memory": total(float(given_up))}
        return {name: number for name, number in own.items() if number.value is not None} | counts | tally.numbers()

    def accumulate(self, rows: Sequence[Row], loss: Loss) -> tuple[Tally, int]:
        """Sums the gradients of an update, over passes and ranks, in the parameters of `trained`.

        Returns: what was measured, and how often the passes were begun again for want of memory.
        """
        given_up, passing = 0, Passing(self._stop if self.ranks.alone else NeverStopped(), self.device)
        with self._as_before():
            while True:
                self._weights.clear()
                tally = Tally(loss.numbers)
                fits = self._passes.run(rows, partial(self._backward, loss=loss, tally=tally), passing.heed)
                # All ranks begin again where one has to: sums must come from one try.
                if self.ranks.smallest(float(fits)):
                    break
                self._passes.limit = int(self.ranks.smallest(self._passes.tokens))
                given_up += 1
                passing.begin_again()
        self.ranks.sum_gradients(self._weights.trained)
        return tally.over(self.ranks), given_up

    def prepare(self, longest_row: int) -> None:
        """Settles how many tokens a pass may have, given the longest row to be expected; once, before the first step.

        What the settings or a loaded state say stands.
        """
        if self._passes.limit is None:
            fits = self._footprint.fits(longest_row, self._try, self._kept_bytes)
            self._passes.limit = int(self.ranks.smallest(memory.most_tokens(fits)))
            log.info("a pass has at most %d tokens, padding included", self._passes.limit)

    def room(self) -> memory.Room:
        """Counts the bytes that sampling may use."""
        return self._footprint.room()

    def state(self) -> dict[str, Any]:
        """Copies what a continuation needs besides the weights to host memory."""
        return {
            "optimizer": _on_host(self._optimizer.state_dict()),
            "policy_version": self._version,
            "skipped_in_a_row": self._skipped_in_a_row,
            "micro_batch_tokens": self._passes.limit,
            "slots": self.slots,
            "out_of_memory": self._passes.out_of_memory,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from `state`, bit for bit, given the weights that it was taken with."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._version = int(state["policy_version"])
        self._skipped_in_a_row = int(state["skipped_in_a_row"])
        self._passes.limit = state["micro_batch_tokens"]
        self.slots = state["slots"]
        self._passes.out_of_memory = int(state["out_of_memory"])

    def load_weights(self, folder: Path) -> None:
        """Takes the weights of a snapshot whose files lie in `folder`, bit for bit; the reference stays as it is.

        Raises:
            RefusedError: they are those of another model.
        """
        self._loaded = take_weights(self._loaded, folder)
        self._weights.publish()

    def snapshot(
        self,
        step: int,
        metrics: Mapping[str, str],
        *,
        updates: int | None = None,
        more: Mapping[str, Any] | None = None,
        final: bool = False,
    ) -> Snapshot:
        """Copies weights and state: the weights to this machine's disk, the rest to host memory.

        Raises:
            OSError: the disk is full.
        """
        adapter = self._loaded.adapter
        return Snapshot(
            step=step,
            policy_version=self._version,
            files=model_files(self._loaded, final=final),
            trainer_state=self.state() | _on_host(dict(more or {})),
            metrics=dict(metrics),
            updates=updates,
            adapter_base=None if adapter is None else adapter.base_digest,
        )

    def _find_pass(self) -> Callable[..., Scores]:
        """Chooses how this model's log-probabilities are computed."""
        head = find_head(self._weights.master)
        forward = self.model if head is None else self.model.base_model
        if self.settings.compile:
            forward = compiled(forward, self.device)
        temperature = self.settings.temperature
        if head is not None:
            return partial(by_hidden_states, forward, head.of(self.model), temperature=temperature)
        log.warning(
            "%s makes its logits in a way of its own; a pass holds those of a whole row, which takes more memory",
            self.architecture,
        )
        return partial(by_full_logits, forward, temperature=temperature)

    def _backward(self, _: Sequence[int], batch: MicroBatch, loss: Loss, tally: Tally) -> None:
        """Adds the gradients of one pass to those before."""
        if not len(batch.targets):
            return
        with recomputed(self._layers):
            logprobs_N, entropies_N = self._pass(batch)
            detached_N = logprobs_N.detach()
            old_N = batch.old_logprobs.to(detached_N.dtype)
            reference_N = batch.reference_logprobs
            inputs = LossInputs(
                logprobs=logprobs_N,
                old_logprobs=torch.where(old_N.isnan(), detached_N, old_N),
                reference_logprobs=None if reference_N is None else reference_N.to(detached_N.dtype),
                advantages=batch.advantages.to(detached_N.dtype),
                trajectories=batch.trajectories,
            )
            out = loss(inputs)
            part = (out.losses * batch.weights.to(out.losses.dtype)).sum()
            part.backward()
        self._weights.collect()
        tally.add(part, batch, inputs, entropies_N, out)

    @contextlib.contextmanager
    def _as_before(self) -> Iterator[None]:
        """Leaves no trace of passes that a stop drops: what they found out of memory is found out again."""
        before = self._passes.limit, self._passes.out_of_memory
        try:
            yield
        except DroppedError:
            self._weights.clear()
            self._passes.limit, self._passes.out_of_memory = before
            raise

    def _try(self, rows: int, columns: int) -> None:
        """Does a forward and backward pass that leaves nothing behind."""
        try:
            batch = micro_batch([_longest(columns)] * rows, self.pad_id).to(self.device)
            self._backward((), batch, _TRIAL, Tally())
        finally:
            self._weights.clear()

    def _kept_bytes(self, columns: int) -> int:
        """Counts the bytes that one row's forward pass keeps; of layers that are computed again, one keeps all."""
        batch = micro_batch([_longest(columns)], self.pad_id)
        with recomputed(self._layers[1:]):
            return memory.kept_bytes(lambda: self._pass(batch), self.model.parameters())


def _longest(columns: int) -> Row:
    """Makes a row to try memory with."""
    mask = (False,) + (True,) * (columns - 1)
    return Row((0,) * columns, mask, advantages=(0.0,) * columns, weights=(0.0,) * columns, trajectory=0)


def _on_host(value: Any) -> Any:
    """Copies tensors to host memory, where they no longer change."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _on_host(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_on_host(item) for item in value]
    return value
