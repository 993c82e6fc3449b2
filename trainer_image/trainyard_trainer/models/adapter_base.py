"""Reads what an adapter's files say of the weights that it belongs to.

Place in the data's way: stations 4 and 9. One file beside the adapter: a digest, and the place where a run config found
the weights. No secret is in it; whoever loads the adapter must be allowed to read there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import ConfigDict, ValidationError

from trainyard_api.fields import ApiModel, Digest
from trainyard_api.run_config import RunModel

ADAPTER_FOLDER: Final = "adapter"
"""Folder of an adapter below a checkpoint's."""
BASE_FILE: Final = "base.json"
BASE_FOLDER: Final = "base"
"""Folder below a downloaded adapter's checkpoint that its base is brought to."""


class AdapterBase(ApiModel):
    """Names the weights that an adapter belongs to; `adapter/base.json` holds it."""

    model_config = ConfigDict(protected_namespaces=())

    digest: Digest
    """Digest of the weights, as `models.digest` takes it."""
    model: RunModel | None = None
    """Where they were found; absent where nobody said."""


def read_adapter_base(folder: Path) -> AdapterBase | None:
    """Reads what the adapter in a checkpoint's folder belongs to; None where there is none.

    Raises:
        ValueError: the file isn't one that we wrote.
    """
    file = folder / ADAPTER_FOLDER / BASE_FILE
    if not file.is_file():
        return None
    try:
        return AdapterBase.model_validate_json(file.read_bytes(), extra="forbid")
    except ValidationError as error:
        raise ValueError(f"{ADAPTER_FOLDER}/{BASE_FILE}: {error.errors()[0]['msg']}") from error
