"""Saves memory by gradient checkpointing: a layer keeps its input only, and computes again in the backward pass.

Place in the data's way: station 8, around training passes alone: a sampler has no backward pass. Transformers' own
switch works in train mode only, where dropout would make the ratio to the sampler's distribution wrong; so the layers'
forward is wrapped, in eval mode.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError


def layers_of(model: Any) -> list[Any]:
    """Finds the layers of a model that can be computed again.

    Raises:
        RefusedError: MODEL_UNSUITABLE, the model's class marks none.
    """
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise RefusedError(
            TerminationReason.MODEL_UNSUITABLE,
            "must be false for a model whose class marks no layers that can be computed again, as "
            f"{type(model).__name__}",
            field_path="spec.algorithm.gradientCheckpointing",
            value="true",
        )
    return layers


@contextmanager
def recomputed(layers: list[Any]) -> Iterator[None]:
    """Lets these layers keep nothing but their inputs within a block; backward passes belong inside too."""
    for layer in layers:
        # An attribute of the instance hides the class's method until it is deleted. Without dropout there is no random
        # state to put back.
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
