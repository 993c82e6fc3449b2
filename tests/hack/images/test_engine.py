"""What builds images is what this machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.cluster import packages
from hack.images import engine
from hack.images.errors import ImageError
from tests.hack.programs import Program


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(packages, "find", lambda name: str(tmp_path / name) if (tmp_path / name).exists() else None)
    return tmp_path


def test_docker_builds_where_its_engine_answers(place: Path) -> None:
    """Though buildah is there, too."""
    Program(place, "docker")
    Program(place, "buildah")
    assert engine.choose().name == "docker"


def test_buildah_builds_where_no_engine_answers(place: Path) -> None:
    """A client without its engine is none; where buildah can be installed, it counts as there."""
    Program(place, "docker", fails="no engine")
    Program(place, "apt-get")
    assert engine.choose().name == "buildah"


@pytest.mark.usefixtures("place")
def test_without_either_the_packages_are_named() -> None:
    """By Debian's names."""
    with pytest.raises(ImageError, match="container engine or Debian's buildah, debootstrap; got neither"):
        engine.choose()
