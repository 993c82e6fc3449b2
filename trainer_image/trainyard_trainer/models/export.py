"""Writes a model as a snapshot's files, and takes weights back from them.

Place in the data's way: station 9, and station 4 on resume. A run that trains all weights saves transformers' folder.
One that trains an adapter saves that, and at its end the merged model too, so that anybody's transformers loads the
folder as it is. Nothing that is trained changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save, save_file

from trainyard_api.checkpoint_manifest import canonical_json
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.snapshot_files import CopiedFile, copy_files
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models import lora
from trainyard_trainer.models.adapter_base import ADAPTER_FOLDER, BASE_FILE, AdapterBase, read_adapter_base
from trainyard_trainer.models.load import Adapter, LoadedModel, load_folder

WEIGHTS_FILE: Final = "adapter_model.safetensors"
CONFIG_FILE: Final = "adapter_config.json"
REFERENCE_FOLDER: Final = "reference"
_FIELD: Final = "spec.model"
_METADATA: Final = {"format": "pt"}
"""Of a file of weights, as peft writes it."""


def model_files(loaded: LoadedModel, *, final: bool = True) -> dict[str, CopiedFile]:
    """Copies a model into a snapshot's files, which are on this machine's disk when this returns.

    Args:
        loaded: the model as it is trained.
        final: whether the run ends here: the model is merged. Without an adapter it makes no difference.

    Returns: the files by their path below the checkpoint's folder: config, tokenizer and weights at the root, the
        weights only if they are complete there; below `adapter/` peft's two files and `base.json`, and below
        `adapter/reference/` the adapter that the run began with.

    Raises:
        OSError: the disk is full.
    """
    return copy_files(partial(_write_model, loaded, final))


def _write_model(loaded: LoadedModel, final: bool, folder: Path) -> None:
    adapter = loaded.adapter
    if adapter is None:
        loaded.model.save_pretrained(folder)
    elif final:
        loaded.model.save_pretrained(folder, state_dict=lora.merged_state(loaded))
    else:
        loaded.model.config.save_pretrained(folder)
        loaded.model.generation_config.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    if adapter is not None:
        _write_adapter(folder / ADAPTER_FOLDER, lora.weights(loaded), adapter)
        base = AdapterBase(digest=adapter.base_digest, model=adapter.base_model)
        (folder / ADAPTER_FOLDER / BASE_FILE).write_bytes(canonical_json(base.to_wire()))
        if adapter.reference is not None:
            _write_adapter(folder / ADAPTER_FOLDER / REFERENCE_FOLDER, adapter.reference, adapter)


def _write_adapter(folder: Path, weights: Mapping[str, torch.Tensor], adapter: Adapter) -> None:
    folder.mkdir()
    (folder / CONFIG_FILE).write_bytes(_peft_config(adapter))
    save_file(_on_host(weights), folder / WEIGHTS_FILE, metadata=_METADATA)


def take_weights(loaded: LoadedModel, folder: Path) -> LoadedModel:
    """Overwrites the model's weights with those of a snapshot of the same run, bit for bit; gives the model.

    Args:
        loaded: the model as the run began with it: with an adapter where the run trains one.
        folder: where the snapshot's files lie.

    Raises:
        RefusedError: DIGEST_MISMATCH where the adapter belongs to other weights than those of `loaded`;
            MODEL_UNSUITABLE where the files hold another model.
    """
    if loaded.adapter is None:
        saved = load_folder(folder, field_path=_FIELD).model.state_dict()
        own = loaded.model.state_dict()
        if own.keys() != saved.keys() or any(own[key].shape != saved[key].shape for key in own):
            raise _unsuitable("must be the model that the checkpoint was taken of", folder)
        loaded.model.load_state_dict(saved)
        return loaded
    take_adapter(loaded, folder)
    frozen = folder / ADAPTER_FOLDER / REFERENCE_FOLDER / WEIGHTS_FILE
    saved = frozen.read_bytes() if frozen.is_file() else None
    reference = loaded.adapter.reference
    if saved != (None if reference is None else save(_on_host(reference), metadata=_METADATA)):
        raise _mismatch("must still be the adapter that the run began with", str(folder))
    return loaded


def take_adapter(loaded: LoadedModel, folder: Path, *, field_path: str = _FIELD) -> LoadedModel:
    """Overwrites the adapter's weights with saved ones, bit for bit; gives the model.

    Raises:
        RefusedError: as `take_weights`.
    """
    if loaded.adapter is None:
        raise ValueError("the model has no adapter")
    base = read_base(folder, field_path)
    if base.digest != loaded.adapter.base_digest:
        raise _mismatch(
            f"the adapter belongs to weights with the digest {base.digest}; those of the model below it are others",
            loaded.adapter.base_digest,
            field_path,
        )
    try:
        lora.set_weights(loaded, load_file(folder / ADAPTER_FOLDER / WEIGHTS_FILE))
    except (ValueError, OSError, SafetensorError) as error:
        raise _unsuitable(f"must hold the adapter's weights; {error}", folder, field_path) from error
    return loaded


def read_base(folder: Path, field_path: str = _FIELD) -> AdapterBase:
    """Reads what the adapter in a folder belongs to.

    Raises:
        RefusedError: MODEL_UNSUITABLE where that isn't said.
    """
    try:
        base = read_adapter_base(folder)
    except ValueError as error:
        raise _unsuitable(str(error), folder, field_path) from error
    if base is None:
        raise _unsuitable(f"must hold {ADAPTER_FOLDER}/{BASE_FILE}, as this trainer writes it", folder, field_path)
    return base


def _on_host(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensors[name].detach().to("cpu").contiguous() for name in sorted(tensors)}


def _peft_config(adapter: Adapter) -> bytes:
    """Writes what peft's loader reads, in a fixed order; it names a base of a hub, never a path of this machine."""
    fields: dict[str, Any] = adapter.peft.peft_config[lora.TRAINED].to_dict()
    hub = adapter.base_model.hugging_face if adapter.base_model is not None else None
    fields |= {
        "target_modules": adapter.settings.target_modules,
        "inference_mode": True,
        "base_model_name_or_path": hub.repository if hub is not None else None,
        "revision": hub.revision if hub is not None else None,
    }
    return json.dumps(fields, indent=2, sort_keys=True, default=_sorted).encode()


def _sorted(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


def _unsuitable(rule: str, folder: Path, field_path: str = _FIELD) -> RefusedError:
    return RefusedError(TerminationReason.MODEL_UNSUITABLE, rule, field_path=field_path, value=str(folder))


def _mismatch(rule: str, value: str, field_path: str = _FIELD) -> RefusedError:
    return RefusedError(TerminationReason.DIGEST_MISMATCH, rule, field_path=field_path, value=value)
