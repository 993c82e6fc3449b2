"""What the images are called that pods are to run: written by the build, read by demo, tests and services."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hack.cluster import layout
from hack.images.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def path() -> Path:
    """Returns the file of references."""
    return layout.cache() / "images.json"


def load_refs() -> dict[str, str]:
    """Reads the references of the last build: `operator`, `trainer`, `postgres`, `s3`.

    Raises:
        ImageError: nothing was built yet.
    """
    try:
        return dict(json.loads(path().read_text()))
    except FileNotFoundError:
        raise ImageError("images: none were built for the cluster yet; run python -m hack.images build") from None


def save(references: Mapping[str, str]) -> None:
    """Writes the file, whole or not at all."""
    path().parent.mkdir(parents=True, exist_ok=True)
    partial = path().with_suffix(".partial")
    partial.write_text(json.dumps(dict(references), indent=1) + "\n")
    partial.replace(path())
