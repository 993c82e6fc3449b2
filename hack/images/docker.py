"""Builds by Docker, where its engine answers: the same Dockerfiles, BuildKit's own caches.

Thin: Docker keeps its layers and shares its images itself.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hack.images.commands import answer, logged, succeeds
from hack.images.specs import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hack.images.apt import Release

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


class Docker:
    """The engine on this machine."""

    name = "docker"

    def prepare(self) -> None:
        """Does nothing: the engine answers, or it would not have been chosen."""

    def base_key(self) -> str:
        """Names the content of the base image: the Dockerfile's own default, unless another is named."""
        return os.environ.get("TRAINYARD_BASE_IMAGE", "")

    def build_base(self) -> str:
        """Returns the base image; empty for the Dockerfile's default, which Docker pulls."""
        return os.environ.get("TRAINYARD_BASE_IMAGE", "")

    def release(self) -> Release | None:
        """Returns None, for the base image brings its own mirrors."""
        return None

    def local(self, name: str, tag: str) -> str:
        """Names an image in the engine and on kind's nodes."""
        return f"{REPOSITORY}/{name}:{tag}"

    def exists(self, local: str) -> bool:
        """Says whether the engine has the image."""
        return succeeds(["docker", "image", "inspect", local])

    def build(
        self, local: str, dockerfile: Path, context: Path, arguments: Mapping[str, str], secrets: Mapping[str, Path]
    ) -> float:
        """Builds a Dockerfile; returns the seconds. The arguments are buildah's."""
        command = ["docker", "build", "--network=host", "--progress=plain"]
        command += [f"--build-arg={key}={value}" for key, value in arguments.items()]
        command += [f"--build-arg={name}" for name in _PROXIES if name in os.environ]
        command += [f"--secret=id={name},src={path}" for name, path in secrets.items()]
        command += [f"--file={dockerfile}", f"--tag={local}", str(context)]
        return logged(f"{_short(local)}: build", command, {"DOCKER_BUILDKIT": "1"})

    def push(self, local: str, reference: str) -> float:
        """Sends the layers that the registry lacks; returns the seconds."""
        answer(["docker", "tag", local, reference])
        return logged(f"{_short(local)}: push", ["docker", "push", reference])

    def tags(self, name: str) -> list[str]:
        """Lists the tags of one image in the engine."""
        found = answer(["docker", "image", "ls", "--format={{.Tag}}", f"{REPOSITORY}/{name}"])
        return found.split()

    def repositories(self) -> set[str]:
        """Returns the names of every image of ours in the engine."""
        found = answer(["docker", "image", "ls", "--format={{.Repository}}", f"--filter=reference={REPOSITORY}/*"])
        return {name.removeprefix(f"{REPOSITORY}/") for name in found.split()}

    def forget(self, name: str, keep: str) -> None:
        """Deletes every other tag of the image."""
        stale = [self.local(name, tag) for tag in self.tags(name) if tag != keep]
        if stale:
            answer(["docker", "image", "rm", "--force", *stale])


def _short(local: str) -> str:
    return local.rsplit("/", 1)[1].split(":", maxsplit=1)[0]
