"""The weights that learn, and the weights that compute.

Place in the data's way: stations 5 and 8. In float32 they are the same. In bfloat16 the model that samples and computes
gradients is a copy, and the float32 weights take the gradients, the optimizer's steps and the way into a checkpoint: a
step of 1e-6 is lost in a bfloat16 weight. Sampler and policy share the copy, so both see the same weights.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from trainyard_api.algorithm import Precision


class Weights:
    """A model's weights, twice where the precision asks for it.

    Attributes:
        master: the model whose weights learn and are saved.
        model: the model that computes; the same one in float32.
        trained: the master's parameters that learn.
    """

    def __init__(self, master: Any, precision: Precision) -> None:
        self.master = master
        self.model = master if precision is Precision.FLOAT32 else _in_bfloat16(master)
        self.trained: list[torch.nn.Parameter] = [one for one in master.parameters() if one.requires_grad]
        self._computing: list[torch.nn.Parameter] = [one for one in self.model.parameters() if one.requires_grad]

    @property
    def computing(self) -> list[torch.nn.Parameter]:
        """The parameters of `model` that answer to `trained`, in its order."""
        return self._computing

    def collect(self) -> None:
        """Add the gradients of a backward pass to the master's, in float32."""
        if self.model is self.master:
            return
        for master, computing in zip(self.trained, self._computing, strict=True):
            if computing.grad is None:
                continue
            gradient = computing.grad.to(master.dtype)
            master.grad = gradient if master.grad is None else master.grad.add_(gradient)
            computing.grad = None

    def clear(self) -> None:
        """Forget all gradients."""
        for parameter in (*self.trained, *self._computing):
            parameter.grad = None

    @torch.no_grad()
    def publish(self) -> None:
        """Let the computing weights be the master's again, rounded."""
        if self.model is self.master:
            return
        for master, computing in zip(self.trained, self._computing, strict=True):
            computing.copy_(master)


def _in_bfloat16(master: Any) -> Any:
    """A copy with bfloat16 parameters; buffers, such as rotary frequencies, and what the model class wants in float32
    stay as they are.
    """
    model = copy.deepcopy(master)
    kept = set(getattr(model, "_keep_in_fp32_modules_strict", None) or ())
    for name, parameter in model.named_parameters():
        if not kept.intersection(name.split(".")):
            parameter.data = parameter.data.to(torch.bfloat16)
    return model
