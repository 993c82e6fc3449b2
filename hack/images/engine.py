"""Chooses what builds images here: Docker where its engine answers, else buildah.

What both can do is the protocol; nothing above this module asks which one it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hack.cluster import packages
from hack.images.buildah import PACKAGES, Buildah
from hack.images.commands import succeeds
from hack.images.docker import Docker
from hack.images.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hack.images.apt import Release


class Engine(Protocol):
    """Builds images from Dockerfiles, keeps their layers and sends them to a registry."""

    name: str

    def prepare(self) -> None:
        """Makes sure that it can build, or raises ImageError."""

    def base_key(self) -> str:
        """Names the content of the base image, without making it."""

    def build_base(self) -> str:
        """Makes the base image if need be and returns its name; empty for the Dockerfile's default."""

    def release(self) -> Release | None:
        """Returns where apt installs from in a build; None for the base image's own mirrors."""

    def local(self, name: str, tag: str) -> str:
        """Returns what an image is called here."""

    def exists(self, local: str) -> bool:
        """Says whether the image is here."""

    def build(
        self, local: str, dockerfile: Path, context: Path, arguments: Mapping[str, str], secrets: Mapping[str, Path]
    ) -> float:
        """Builds a Dockerfile; returns the seconds."""

    def push(self, local: str, reference: str) -> float:
        """Sends what the registry lacks; returns the seconds."""

    def tags(self, name: str) -> list[str]:
        """Lists the tags of one image that are here."""

    def repositories(self) -> set[str]:
        """Returns the names of every image of ours that is here."""

    def forget(self, name: str, keep: str) -> None:
        """Deletes every other tag of the image, and what only they needed."""


def choose() -> Engine:
    """Chooses the engine of this machine.

    Raises:
        ImageError: there is none, and none can be installed.
    """
    if packages.find("docker") and succeeds(["docker", "info"]):
        return Docker()
    if packages.find("buildah") or packages.find("apt-get"):
        return Buildah()
    raise ImageError(
        f"images: want a running container engine or Debian's {', '.join(PACKAGES)}; got neither: start or install one"
    )
