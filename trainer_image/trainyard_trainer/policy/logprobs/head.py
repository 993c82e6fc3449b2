"""Finds by trying, not by name, how a model's class makes logits of hidden states.

Place in the data's way: station 4, for the passes of station 8. Log-probabilities are taken from hidden states and the
head's weight, so that logits never exist as a whole; classes scale and cap theirs in ways that their configs name. What
agrees with the model's own logits on a few tokens is used; where nothing does, a pass must ask the model itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from trainyard_trainer.policy.logprobs.token_logprobs import Support, token_logprobs

TOLERANCE = 1e-4
"""Largest difference of a log-probability, in nats, that float32 rounding explains."""
TRIED_ROWS, TRIED_COLUMNS = 2, 5


@dataclass(frozen=True, slots=True)
class Head:
    """Holds a model's output embedding and what becomes of its product: see `token_logprobs`."""

    layer: torch.nn.Linear
    softcap: float | None
    scale: float

    def of(self, model: Any) -> Head:
        """Gives the same head of another copy of the model."""
        return replace(self, layer=model.get_output_embeddings())

    def logprobs(
        self,
        hidden_NH: torch.Tensor,
        targets_N: torch.Tensor,
        *,
        temperature: float = 1.0,
        support: Support | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes log-probabilities [N] of the targets and entropies [N]."""
        logprobs_N, entropies_N = token_logprobs(
            hidden_NH,
            self.layer.weight,
            targets_N,
            bias_V=self.layer.bias,
            temperature=temperature,
            softcap=self.softcap,
            scale=self.scale,
            support=support,
            want_entropy=True,
        )
        if entropies_N is None:
            raise RuntimeError("token_logprobs gave no entropies where they were asked for")
        return logprobs_N, entropies_N


def find_head(model: Any) -> Head | None:
    """Finds the head whose log-probabilities agree with the model's own to `TOLERANCE`; None where none is known to."""
    layer = model.get_output_embeddings()
    # A subclass, such as one with an adapter, computes something else than weight and bias say.
    if type(layer) is not torch.nn.Linear:
        return None
    token_ids = torch.arange(TRIED_ROWS * TRIED_COLUMNS, device=layer.weight.device) * 7919 % layer.out_features
    token_ids = token_ids.view(TRIED_ROWS, TRIED_COLUMNS)
    with torch.no_grad():
        given = {"attention_mask": torch.ones_like(token_ids), "use_cache": False}
        logits_NV = model(input_ids=token_ids, **given).logits.flatten(0, 1)
        hidden_NH = model.base_model(input_ids=token_ids, **given).last_hidden_state.flatten(0, 1)
        targets_N = token_ids.flatten()
        wide = logits_NV.dtype if logits_NV.dtype == torch.float64 else torch.float32
        own_N = torch.log_softmax(logits_NV.to(wide), dim=-1).gather(-1, targets_N[:, None]).squeeze(-1)
        if hidden_NH.shape[-1] != layer.in_features:
            return None
        for head in _known(layer, model.config.get_text_config()):
            ours_N, _ = head.logprobs(hidden_NH, targets_N)
            if torch.allclose(ours_N, own_N, rtol=0.0, atol=TOLERANCE, equal_nan=True):
                return head
    return None


def _known(layer: torch.nn.Linear, config: Any) -> Iterator[Head]:
    """Lists heads as configs describe them. What a config names comes first: on small logits a cap can't be seen."""
    softcap = getattr(config, "final_logit_softcapping", None)
    named = [getattr(config, name, None) for name in ("logit_scale", "lm_head_multiplier", "logits_scaling")]
    # Granite divides by its logits_scaling; others multiply.
    divided = [1.0 / config.logits_scaling] if getattr(config, "logits_scaling", None) else []
    scales = [*divided, *(scale for scale in named if scale), 1.0]
    for cap in dict.fromkeys((softcap or None, None)):
        for scale in dict.fromkeys(scales):
            yield Head(layer, cap, scale)
