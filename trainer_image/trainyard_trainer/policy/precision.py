"""Keeps the weights that learn apart from the weights that compute.

Place in the data's way: stations 5 and 8. In float32 they are the same. In bfloat16 the model that samples and computes
gradients is a copy, and the float32 weights take the gradients, the optimizer's steps and the way into a checkpoint: a
step of 1e-6 is lost in a bfloat16 weight. Sampler and policy share the copy, so both see the same weights. Its head is
the float32 one itself: logits rounded to bfloat16 are off by a hundredth of a nat.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from trainyard_api.algorithm import Precision


class Weights:
    """Holds a model's weights, twice where the precision asks for it.

    Attributes:
        master: the model whose weights learn and are saved.
        model: the model that computes; the same one in float32.
        trained: the master's parameters that learn.
    """

    def __init__(self, master: Any, precision: Precision) -> None:
        self.master = master
        self.trained: list[torch.nn.Parameter] = [one for one in master.parameters() if one.requires_grad]
        self._copies: list[tuple[torch.nn.Parameter, torch.nn.Parameter]] = []
        self.model = master
        if precision is Precision.BFLOAT16:
            self.model = _in_bfloat16(master)
            copies = dict(self.model.named_parameters(remove_duplicate=False))
            pairs = [(one, copies[name]) for name, one in master.named_parameters() if one.requires_grad]
            self._copies = [(one, other) for one, other in pairs if other is not one]

    @property
    def computing(self) -> list[torch.nn.Parameter]:
        """Gives the parameters of `model` that follow from `trained`."""
        return [one for one in self.model.parameters() if one.requires_grad]

    def collect(self) -> None:
        """Adds the gradients of a backward pass to the master's, in float32."""
        for master, computing in self._copies:
            if computing.grad is None:
                continue
            gradient = computing.grad.to(master.dtype)
            master.grad = gradient if master.grad is None else master.grad.add_(gradient)
            computing.grad = None

    def clear(self) -> None:
        """Forgets all gradients."""
        for parameter in (*self.trained, *(computing for _, computing in self._copies)):
            parameter.grad = None

    @torch.no_grad()
    def publish(self) -> None:
        """Lets the computing weights be the master's again, rounded."""
        for master, computing in self._copies:
            computing.copy_(master)


def _in_bfloat16(master: Any) -> Any:
    """Copies a model with bfloat16 parameters; buffers, such as rotary frequencies, and what its class wants in float32
    stay as they are. The head's parameters are the master's own.
    """
    model = copy.deepcopy(master)
    kept = set(getattr(model, "_keep_in_fp32_modules_strict", None) or ())
    for name, parameter in model.named_parameters():
        if not kept.intersection(name.split(".")):
            parameter.data = parameter.data.to(torch.bfloat16)
    own, head = master.get_output_embeddings(), model.get_output_embeddings()
    if head is not None:
        # Where the head was tied to the embedding, the copy's embedding now stands alone.
        for name, parameter in own.named_parameters(recurse=False):
            setattr(head, name, parameter)
        head.register_forward_pre_hook(lambda layer, given: (given[0].to(layer.weight.dtype),))
    return model
