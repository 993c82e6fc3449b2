"""An image on one of ours needs a parent of ours and a Dockerfile; that it is built, `test_build` sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.images import derive
from hack.images.errors import ImageError


def test_only_an_image_of_ours_is_a_parent(tmp_path: Path) -> None:
    """The error names those that there are."""
    with pytest.raises(ImageError, match=r"from: want one of operator, trainer; got 'postgres'"):
        derive("postgres", tmp_path, "mine")


def test_a_folder_without_a_dockerfile_is_refused_by_name(tmp_path: Path) -> None:
    """Before a cluster is asked for, or a lock is taken."""
    with pytest.raises(ImageError, match=rf"context: want a folder with a Dockerfile; got '{tmp_path}'"):
        derive("trainer", tmp_path, "mine")
