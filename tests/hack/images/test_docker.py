"""Images by Docker's engine, through a program that stands in for its client."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.images.docker import Docker
from tests.hack.programs import Program


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program lies."""
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path / "bin"


def test_old_tags_go_and_the_current_one_stays(place: Path) -> None:
    """Nothing is asked to be removed where nothing is old."""
    program = Program(place, "docker", says="a-1\na-2\n")
    Docker().forget("operator", "a-2")
    assert program.calls[-1] == ["image", "rm", "--force", "trainyard/operator:a-1"]
    Program(place, "docker", says="a-2\n")
    Docker().forget("operator", "a-2")
    assert [call[:2] for call in program.calls[2:]] == [["image", "ls"]]


def test_a_build_has_the_machines_proxies_and_its_secrets_as_files(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy is named, not spelt: its value stays in the environment."""
    program = Program(place, "docker")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@proxy.test")
    Docker().build("trainyard/operator:a", place / "Dockerfile", place, {"BASE": "b"}, {"pip_conf": place / "pip"})
    (call,) = program.calls
    assert {"--build-arg=BASE=b", "--build-arg=HTTPS_PROXY", f"--secret=id=pip_conf,src={place / 'pip'}"} <= set(call)
    assert "password" not in " ".join(call)


def test_a_push_names_the_image_as_the_registry_does(place: Path) -> None:
    """It keeps its local name, too; whether it is there is asked by that."""
    program = Program(place, "docker")
    docker = Docker()
    docker.push(docker.local("operator", "a"), "registry.test/trainyard/operator:a")
    assert program.calls == [
        ["tag", "trainyard/operator:a", "registry.test/trainyard/operator:a"],
        ["push", "registry.test/trainyard/operator:a"],
    ]
    assert docker.exists("trainyard/operator:a")


def test_images_of_ours_are_listed_without_the_repository(place: Path) -> None:
    """Each once, however many tags it has."""
    Program(place, "docker", says="trainyard/operator\ntrainyard/operator\ntrainyard/trainer\n")
    assert Docker().repositories() == {"operator", "trainer"}
