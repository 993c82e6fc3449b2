"""Images in a store of the project's own, by a program that stands in for buildah."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hack.images.buildah import Buildah
from hack.images.errors import ImageError
from tests.hack.programs import Program

STORE = [
    {"names": ["localhost/trainyard/operator:a-1", "localhost/trainyard/operator:a-2"]},
    {"names": ["localhost/trainyard/base:x"]},
    {"names": ["docker.test/trainyard/operator:other"]},
    {"names": None},
]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A buildah whose store is `STORE`."""
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return Program(tmp_path / "bin", "buildah", says=json.dumps(STORE))


def asked(program: Program) -> list[list[str]]:
    """What each call asked for, without the flags that name the store."""
    return [call[4:] for call in program.calls if call[4:] != ["info"]]


def test_every_call_names_the_store_of_the_cache(program: Program, tmp_path: Path) -> None:
    """Another program's images are neither seen nor deleted."""
    assert Buildah().tags("operator") == ["a-1", "a-2"]
    assert all(call[0] == f"--root={tmp_path}/trainyard/images/store" for call in program.calls)
    assert all(call[2] == "--storage-driver" for call in program.calls)


def test_images_of_ours_are_listed_without_bases(program: Program) -> None:
    """Those of another host with the same name are not ours."""
    assert Buildah().repositories() == {"operator"}
    assert asked(program) == [["images", "--json"]]


@pytest.mark.parametrize(("keep", "gone"), [("a-2", ["a-1"]), ("a-1", ["a-2"]), ("", ["a-1", "a-2"])])
def test_old_tags_go(keep: str, gone: list[str], program: Program) -> None:
    """All but the current one; steps of the same slow layers stay, for the next edit is built on them."""
    Buildah().forget("operator", keep)
    names = [f"localhost/trainyard/operator:{tag}" for tag in gone]
    assert ["rmi", "--force", *names] in asked(program)
    assert (["rmi", "--prune", "--force"] in asked(program)) == (keep == "")


def test_a_build_gets_its_arguments_and_secrets_as_files(program: Program, tmp_path: Path) -> None:
    """No secret's content stands on a command line."""
    (tmp_path / "trainyard").mkdir()
    secret = tmp_path / "pip_conf"
    Buildah().build(
        "localhost/trainyard/operator:a-1", tmp_path / "Dockerfile", tmp_path, {"BASE": "b"}, {"pip_conf": secret}
    )
    (call,) = asked(program)
    assert {"--build-arg=BASE=b", f"--secret=id=pip_conf,src={secret}", "--pull=false"} <= set(call)
    assert call[-1] == str(tmp_path)


@pytest.mark.usefixtures("program")
def test_who_is_not_root_is_told_the_two_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is built."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("hack.cluster.packages.missing", lambda _: [])
    with pytest.raises(ImageError, match=r"needs root .*start a container engine"):
        Buildah().prepare()


def test_a_named_base_image_is_taken_as_it_is(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in every tag, and brings its own mirrors."""
    monkeypatch.setenv("TRAINYARD_BASE_IMAGE", "registry.test/python:3.12")
    builder = Buildah()
    assert builder.base_key() == builder.build_base() == "registry.test/python:3.12"
    assert builder.release() is None
    assert program.calls == []
