"""Builds and pushes by buildah, where no container engine runs: a layer store of the project's own, no daemon.

The store lies in the cache, so that nothing here ever sees or deletes another program's images.
"""

from __future__ import annotations

import json
import os
import shutil
from functools import cached_property
from typing import TYPE_CHECKING

from hack.cluster import layout, packages
from hack.images import apt, base, downloads
from hack.images.commands import answer, logged, succeeds
from hack.images.errors import ImageError
from hack.images.specs import REPOSITORY, same_slow_layers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PACKAGES = {"buildah": "buildah", "debootstrap": "debootstrap"}
# Where uv's cache is mounted in a build: a folder that every base image has.
_MOUNTED_CACHE = "/var/tmp"
# Each edit leaves a handful of small intermediate images; looking for a cached step slows down with their number.
_MANY = 150
_LARGE = ("operator", "trainer")


class Buildah:
    """buildah with its own store."""

    name = "buildah"

    def prepare(self) -> None:
        """Installs what is missing, and clears away what a build that was cut off has left: it may be gigabytes.

        The caller holds the lock: no other build uses the store.

        Raises:
            ClusterError: it can't be installed.
            ImageError: not root.
        """
        packages.ensure(PACKAGES)
        if os.geteuid() != 0:
            raise ImageError("images: building by buildah needs root (or start a container engine); run as root")
        if answer([*self.command(), "containers", "--quiet"]):
            answer([*self.command(), "rm", "--all"])
        shutil.rmtree(_scratch(), ignore_errors=True)
        _scratch().mkdir(parents=True)

    def base_key(self) -> str:
        """Names the content of the base image."""
        return os.environ.get("TRAINYARD_BASE_IMAGE") or base.recipe(apt.release())

    def build_base(self) -> str:
        """Makes the base image unless it is there; returns its name."""
        given = os.environ.get("TRAINYARD_BASE_IMAGE")
        if given:
            return given
        release = apt.release()
        name = f"localhost/{REPOSITORY}/base:{base.recipe(release)}"
        if not self.exists(name):
            base.make(self.command(), name, release)
        return name

    def release(self) -> apt.Release | None:
        """Returns where a build's apt installs from, for a base made here has no mirror of its own."""
        return None if os.environ.get("TRAINYARD_BASE_IMAGE") else apt.release()

    def local(self, name: str, tag: str) -> str:
        """Names an image in the store."""
        return f"localhost/{REPOSITORY}/{name}:{tag}"

    def exists(self, local: str) -> bool:
        """Says whether the store has the image."""
        return succeeds([*self.command(), "inspect", "--type", "image", "--format", "{{.FromImageID}}", local])

    def build(
        self, local: str, dockerfile: Path, context: Path, arguments: Mapping[str, str], secrets: Mapping[str, Path]
    ) -> float:
        """Builds a Dockerfile; returns the seconds.

        Args:
            local: the image's name in the store.
            dockerfile: what to build.
            context: the folder it copies from.
            arguments: build arguments.
            secrets: files by the id under which a step mounts them.

        Raises:
            ImageError: a step failed.
        """
        command = [*self.command(), "bud", "--isolation=chroot", "--network=host", "--layers", "--pull=false"]
        command += [f"--build-arg={key}={value}" for key, value in arguments.items()]
        command += [
            f"--build-arg=UV_CACHE_DIR={_MOUNTED_CACHE}",
            f"--volume={downloads.uv_cache()}:{_MOUNTED_CACHE}:rw",
        ]
        command += [f"--secret=id={name},src={path}" for name, path in secrets.items()]
        command += [f"--file={dockerfile}", f"--tag={local}", str(context)]
        return logged(f"{_short(local)}: build", command, {"TMPDIR": str(_scratch())})

    def push(self, local: str, reference: str) -> float:
        """Sends the layers that the registry lacks; returns the seconds.

        The fastest level of zstd: it costs less time than writing and reading the gigabytes that it saves.
        """
        compression = ["--compression-format=zstd", "--compression-level=1"]
        command = [*self.command(), "push", "--tls-verify=false", *compression, local, f"docker://{reference}"]
        return logged(f"{_short(local)}: push", command, {"TMPDIR": str(_scratch())})

    def tags(self, name: str) -> list[str]:
        """Lists the tags of one image in the store."""
        raw = answer([*self.command(), "images", "--json"])
        names = [each for image in json.loads(raw or "[]") or [] for each in image.get("names") or []]
        prefix = self.local(name, "")
        return [each.removeprefix(prefix) for each in names if each.startswith(prefix)]

    def repositories(self) -> set[str]:
        """Returns the names of every image of ours in the store, without base images."""
        raw = answer([*self.command(), "images", "--json"])
        names = [each for image in json.loads(raw or "[]") or [] for each in image.get("names") or []]
        prefix = f"localhost/{REPOSITORY}/"
        return {each.removeprefix(prefix).split(":")[0] for each in names if each.startswith(prefix)} - {"base"}

    def forget(self, name: str, keep: str) -> None:
        """Deletes every other tag of the image; where gigabytes or many steps are left behind, unused steps too.

        Not each time: the unused ones are what the next edit is built on.
        """
        stale = [tag for tag in self.tags(name) if tag != keep]
        if stale:
            answer([*self.command(), "rmi", "--force", *(self.local(name, tag) for tag in stale)])
        slow = name in _LARGE and any(not same_slow_layers(tag, keep) for tag in stale)
        if slow or len(answer([*self.command(), "images", "--all", "--quiet"]).splitlines()) > _MANY:
            answer([*self.command(), "rmi", "--prune", "--force"])

    def command(self) -> list[str]:
        """Returns the program with the flags that name our store."""
        return [*self._store, "--storage-driver", self._driver]

    @cached_property
    def _store(self) -> list[str]:
        program = packages.find("buildah")
        root, run = layout.cache() / "images" / "store", layout.runtime() / "buildah"
        return [program or "buildah", f"--root={root}", f"--runroot={run}"]

    @cached_property
    def _driver(self) -> str:
        # Overlay works on any ordinary file system; in a container whose own root is one, only plain copies do.
        return "overlay" if succeeds([*self._store, "--storage-driver", "overlay", "info"]) else "vfs"


def _scratch() -> Path:
    """Returns where layers lie while they are packed: beside the store, since a memory-backed /tmp could not hold
    them.
    """
    return layout.cache() / "images" / "tmp"


def _short(local: str) -> str:
    return local.rsplit("/", 1)[1].split(":", maxsplit=1)[0]
