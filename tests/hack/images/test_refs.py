"""References of the last build are what pods are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.images import refs
from hack.images.errors import ImageError


def test_references_are_read_as_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first build there are none, which says what to run; a second build replaces them."""
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    with pytest.raises(ImageError, match=r"run python -m hack\.images build"):
        refs.load_refs()
    refs.save({"operator": "here:1", "trainer": "here:2"})
    refs.save({"operator": "here:3"})
    assert refs.load_refs() == {"operator": "here:3"}
    assert [path.name for path in refs.path().parent.iterdir()] == ["images.json"]
