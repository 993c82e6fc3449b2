"""Keeps tests away from the cluster of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own."""
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    return tmp_path / "trainyard"
