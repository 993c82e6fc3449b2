"""The weights in torch, with AdamW: log-probabilities, updates, state.

Place in the data's way: stations 5 and 8. Implements `seams.Policy` on one device. The model is in eval mode
throughout: dropout would make the ratio to the sampler's distribution wrong. No file is read; `models` brings the
model.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from trainyard_trainer.models.loading import LoadedModel
from trainyard_trainer.outlets import Snapshot
from trainyard_trainer.policy.batches import MAX_TOKENS, MicroBatch, Row, micro_batches
from trainyard_trainer.seams import TokenLoss, UpdateOutcome

WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0
TRAINING_TEMPERATURE = 1.0
"""Rollouts that are trained on are sampled at this temperature, so log-probabilities are taken at it too."""


class TorchPolicy:
    """A causal language model with its optimizer; see `seams.Policy`.

    Args:
        loaded: model and tokenizer.
        learning_rate: AdamW's, constant.
        device: where weights and batches live. Default: a GPU where there is one.
        max_tokens: most tokens, padding included, of one pass of an update.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        learning_rate: float,
        device: torch.device | None = None,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        self._max_tokens = max_tokens
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = loaded.model.to(self.device).eval()
        self.tokenizer = loaded.tokenizer
        self.pad_id: int = loaded.pad_id
        self.architecture = type(loaded.model).__name__
        self.learning_rate = learning_rate
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=learning_rate, weight_decay=WEIGHT_DECAY)
        self._version = 0
        self._skipped_in_a_row = 0

    @property
    def version(self) -> int:
        """Optimizer updates done so far."""
        return self._version

    @property
    def skipped_in_a_row(self) -> int:
        """Updates skipped since the last that was done."""
        return self._skipped_in_a_row

    def logprobs(self, batch: MicroBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability of each token given those before it, and the entropy there; both [B, T], 0 at T = 0."""
        output = self.model(input_ids=batch.token_ids, attention_mask=batch.attention, use_cache=False)
        logprobs_BTV = torch.log_softmax(output.logits[:, :-1].float() / TRAINING_TEMPERATURE, dim=-1)
        taken_BT = logprobs_BTV.gather(-1, batch.token_ids[:, 1:, None]).squeeze(-1)
        with torch.no_grad():
            entropies_BT = -(logprobs_BTV.exp() * logprobs_BTV).nan_to_num(0.0).sum(dim=-1)
        pad = (1, 0)
        return torch.nn.functional.pad(taken_BT, pad), torch.nn.functional.pad(entropies_BT, pad)

    def update(self, rows: Sequence[Row], token_loss: TokenLoss) -> UpdateOutcome:
        """One optimizer update on the weighted sum of all rows' token losses, in as many passes as they need.

        Gradients are clipped to norm 1. A loss or gradient that isn't finite changes nothing and is counted.
        """
        self._optimizer.zero_grad(set_to_none=True)
        loss, entropy, tokens, gap = 0.0, 0.0, 0, None
        for host_batch in micro_batches(rows, self.pad_id, self._max_tokens):
            batch = host_batch.to(self.device)
            logprobs_BT, entropies_BT = self.logprobs(batch)
            losses_BT = torch.where(batch.mask, token_loss(logprobs_BT, batch), 0.0)
            part = (losses_BT * batch.weights).sum()
            part.backward()
            loss += part.item()
            entropy += entropies_BT[batch.mask].sum().item()
            tokens += int(batch.mask.sum())
            gap = _largest(gap, logprobs_BT.detach() - batch.sampler_logprobs)
        grad_norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRAD_NORM))
        done = _finite(loss) is not None and _finite(grad_norm) is not None
        if done:
            self._optimizer.step()
            self._version += 1
            self._skipped_in_a_row = 0
        else:
            self._skipped_in_a_row += 1
        return UpdateOutcome(
            loss=_finite(loss),
            grad_norm=_finite(grad_norm),
            entropy=_finite(entropy / tokens) if tokens else None,
            sampler_gap=gap,
            skipped=not done,
        )

    def state(self) -> dict[str, Any]:
        """What a continuation needs besides the weights, copied to host memory."""
        return {
            "optimizer": _on_host(self._optimizer.state_dict()),
            "policy_version": self._version,
            "skipped_in_a_row": self._skipped_in_a_row,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, bit for bit, given the weights that it was taken with."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._version = int(state["policy_version"])
        self._skipped_in_a_row = int(state["skipped_in_a_row"])

    def snapshot(self, step: int, metrics: Mapping[str, str]) -> Snapshot:
        """Weights and state after `step` finished steps, copied to host memory.

        Random streams are keyed by step, so `step` is also their position.
        """
        return Snapshot(
            step=step,
            policy_version=self._version,
            files=self._files(),
            trainer_state=self.state() | {"step": step},
            metrics=dict(metrics),
        )

    def _files(self) -> dict[str, bytes]:
        """The folder that `save_pretrained` writes, by file name."""
        with tempfile.TemporaryDirectory() as folder:
            self.model.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
            return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def _finite(value: float) -> float | None:
    return value if torch.isfinite(torch.tensor(value)) else None


def _largest(so_far: float | None, difference: torch.Tensor) -> float | None:
    """The largest absolute value that is a number, of `difference` and those before; None while there is none."""
    known = difference[difference.isfinite()].abs()
    if not known.numel():
        return so_far
    return max(so_far or 0.0, known.max().item())


def _on_host(value: Any) -> Any:
    """A copy whose tensors lie in host memory and no longer change."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _on_host(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_on_host(item) for item in value]
    return value
