"""Puts low-rank adapters into a model's layers by peft, continues them, and merges them.

Place in the data's way: stations 4 and 8. The adapter sits in the layers of `LoadedModel.model`, which stays
transformers' own class: whoever computes with it needs no word of adapters. No file is read here.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from transformers.pytorch_utils import Conv1D

from trainyard_api.algorithm import LoRA
from trainyard_api.run_config import RunModel
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.digest import weights_digest
from trainyard_trainer.models.load import Adapter, LoadedModel

TRAINED: Final = "default"
_FIELD: Final = "spec.algorithm.lora"
_MAMBA: Final = frozenset({"falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h"})
_FUSED: Final = frozenset({"out_proj"})
"""A layer that Mamba's kernels read the weight of, past any adapter; peft refuses it there."""
_EXPERTS: Final = frozenset({"gate", "gate_proj", "up_proj", "down_proj", "w1", "w2", "w3"})
"""Names that peft takes for the stacked weights of a mixture's experts, which aren't layers, wherever they are."""


def apply(loaded: LoadedModel, lora: LoRA, seed: int, base_model: RunModel | None = None) -> LoadedModel:
    """Puts a low-rank adapter into the layers of `loaded`, in place; it alone is trained.

    A new adapter changes nothing at first: one of its two factors is zero, the other is drawn by `seed`, and torch's
    own generator isn't touched. A model that was loaded with an adapter goes on with it, and keeps a frozen copy as the
    reference.

    Args:
        loaded: the model, with or without an adapter.
        lora: rank, scale and layers.
        seed: of the adapter's first weights.
        base_model: where the weights below the adapter come from; kept for those who load the adapter later.

    Raises:
        RefusedError: MODEL_UNSUITABLE where a layer doesn't exist, or `lora` doesn't fit the adapter that is there.
    """
    if loaded.adapter is not None:
        return _continued(loaded, loaded.adapter, lora)
    model = loaded.model
    settings = lora.model_copy(update={"target_modules": _targets(model, lora.target_modules)})
    digest = weights_digest(model)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(seed)
        # Peft asks transformers by a name that it is about to lose.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        peft = get_peft_model(model, _config(model, settings), adapter_name=TRAINED)
    return replace(loaded, model=peft.get_base_model().eval(), adapter=Adapter(peft, settings, digest, base_model))


def weights(loaded: LoadedModel) -> dict[str, torch.Tensor]:
    """Gives the adapter's tensors by the names that its file has; they are the ones that are trained, not copies."""
    tensors: dict[str, torch.Tensor] = get_peft_model_state_dict(
        _adapter_of(loaded).peft, adapter_name=TRAINED, save_embedding_layers=False
    )
    return tensors


def set_weights(loaded: LoadedModel, tensors: Mapping[str, torch.Tensor]) -> None:
    """Overwrites the adapter's weights, bit for bit.

    Raises:
        ValueError: names or shapes aren't those of this adapter.
    """
    own = weights(loaded)
    if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
        raise ValueError("must be exactly the weights of the adapter, in their shapes")
    set_peft_model_state_dict(_adapter_of(loaded).peft, dict(tensors), adapter_name=TRAINED)


def merged_state(loaded: LoadedModel) -> dict[str, torch.Tensor]:
    """Computes every weight by the name it has without an adapter: base + scale x B A where there is one.

    Nothing that is trained changes: the sums are new tensors, all else is the model's own.
    """
    _adapter_of(loaded)
    model = loaded.model
    state: dict[str, torch.Tensor] = model.state_dict()
    merged = {name.replace(".base_layer.", "."): value for name, value in state.items() if not _is_adapters(name)}
    with torch.no_grad():
        for name, layer in model.named_modules():
            if hasattr(layer, "base_layer"):
                merged[f"{name}.weight"] = layer.base_layer.weight + layer.get_delta_weight(TRAINED)
    return merged


def merge(loaded: LoadedModel) -> LoadedModel:
    """Merges the adapter in place; every weight of the model is trained from now on."""
    model = _adapter_of(loaded).peft.merge_and_unload(adapter_names=[TRAINED])
    return replace(loaded, model=model.requires_grad_(True).eval(), adapter=None)


def _continued(loaded: LoadedModel, adapter: Adapter, lora: LoRA) -> LoadedModel:
    has = adapter.settings
    layers = has.target_modules if lora.target_modules is None else sorted(set(lora.target_modules))
    asked = {"rank": lora.rank, "alpha": lora.alpha, "targetModules": layers}
    goes_on = {"rank": has.rank, "alpha": has.alpha, "targetModules": has.target_modules}
    other = next((name for name in asked if asked[name] != goes_on[name]), None)
    if other is not None:
        raise RefusedError(
            TerminationReason.MODEL_UNSUITABLE,
            f"must be that of the adapter which training goes on with: rank {has.rank}, alpha {has.alpha}, "
            f"targetModules {', '.join(has.target_modules or [])}; for another adapter begin from the job's final "
            "checkpoint, where this one is merged",
            field_path=f"{_FIELD}.{other}",
            value=", ".join(layers or []) if other == "targetModules" else str(asked[other]),
        )
    began_with = {name: tensor.detach().cpu().clone() for name, tensor in weights(loaded).items()}
    return replace(loaded, adapter=replace(adapter, reference=began_with))


def _targets(model: Any, asked: Sequence[str] | None) -> list[str]:
    """Names the layers that get an adapter, sorted."""
    output = model.get_output_embeddings()
    left_out = _FUSED if model.config.model_type in _MAMBA else frozenset()
    if any(".experts." in path for path, _ in model.named_parameters()):
        left_out |= _EXPERTS
    paths = [
        path
        for path, layer in model.named_modules()
        if isinstance(layer, (torch.nn.Linear, Conv1D)) and layer is not output and _leaf(path) not in left_out
    ]
    fit = sorted({_leaf(path) for path in paths})
    unknown = [name for name in asked or () if not any(path == name or path.endswith(f".{name}") for path in paths)]
    if unknown:
        raise RefusedError(
            TerminationReason.MODEL_UNSUITABLE,
            f"must be linear layers of {type(model).__name__} other than its output embedding: {', '.join(fit)}",
            field_path=f"{_FIELD}.targetModules",
            value=", ".join(unknown),
        )
    return sorted(set(asked)) if asked else fit


def _config(model: Any, settings: LoRA) -> LoraConfig:
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=list(settings.target_modules or ()),
        lora_dropout=0.0,
        bias="none",
        fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in model.modules()),
        task_type="CAUSAL_LM",
    )


def _adapter_of(loaded: LoadedModel) -> Adapter:
    if loaded.adapter is None:
        raise ValueError("the model has no adapter")
    return loaded.adapter


def _is_adapters(name: str) -> bool:
    return any(part.startswith("lora_") for part in name.split("."))


def _leaf(path: str) -> str:
    return path.rpartition(".")[2]
