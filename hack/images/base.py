"""The Python base image where no image registry can be reached: the machine's own Debian release, by debootstrap.

Stands in for the Dockerfiles' default base. No mirror, host name or resolver of this machine stays in it.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from hack.cluster import packages
from hack.cluster.progress import say
from hack.images.commands import answer, logged
from hack.images.errors import ImageError

if TYPE_CHECKING:
    from hack.images.apt import Release

INCLUDED = ("python3", "python3-venv", "ca-certificates")
# Files, not folders: packages that are installed later expect the folders.
EMPTIED = ("var/lib/apt/lists", "var/cache/apt", "var/log", "usr/share/doc", "usr/share/man", "usr/share/locale")
REMOVED = ("etc/hostname", "etc/resolv.conf", "etc/apt/sources.list")


def recipe(release: Release) -> str:
    """Names what the base image is made of: changes with the release and this module's lists."""
    parts = (release.distribution, release.codename, *INCLUDED, *EMPTIED, *REMOVED)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def make(buildah: list[str], name: str, release: Release) -> None:
    """Bootstraps the release into a new image.

    Args:
        buildah: the command with the flags that name its store.
        name: what to call the image.
        release: what to bootstrap, and from where.

    Raises:
        ImageError: debootstrap failed, or the release's Python is too old.
    """
    say(f"base: bootstrapping {release.distribution} {release.codename} with {', '.join(INCLUDED)} (once; about 40 s)")
    container = answer([*buildah, "from", "scratch"])
    try:
        root = Path(answer([*buildah, "mount", container]))
        seconds = logged("base: bootstrap", _debootstrap(root, release), _proxies())
        _refuse_old_python(root, release)
        _clean(root)
        answer([*buildah, "umount", container])
        answer([*buildah, "commit", "--quiet", container, name])
    finally:
        subprocess.run([*buildah, "rm", container], capture_output=True, check=False)
    say(f"base: bootstrapped in {seconds:.0f} s")


def _debootstrap(root: Path, release: Release) -> list[str]:
    program = packages.find("debootstrap") or "debootstrap"
    keyring = [f"--keyring={release.main.keyring}"] if release.main.keyring else []
    packages_ = f"--include={','.join(INCLUDED)}"
    return [program, "--variant=minbase", packages_, *keyring, release.codename, str(root), release.main.uri]


def _proxies() -> dict[str, str]:
    """Returns the machine's proxies for wget, by which debootstrap fetches, for it doesn't read apt's settings."""
    dump = answer(["apt-config", "dump", "Acquire"])
    found = re.findall(r'^Acquire::(https?)::Proxy "(.+)";$', dump, re.MULTILINE)
    return {f"{scheme}_proxy": url for scheme, url in found if f"{scheme}_proxy" not in os.environ and url != "DIRECT"}


def _refuse_old_python(root: Path, release: Release) -> None:
    version = answer(["chroot", str(root), "python3", "-c", "import sys; print(*sys.version_info[:2])"])
    if tuple(map(int, version.split())) < (3, 11):
        raise ImageError(
            f"base image: want Python 3.11 or newer in {release.distribution} {release.codename}; got "
            f"{version.replace(' ', '.')}; set TRAINYARD_BASE_IMAGE to an image that has it"
        )


def _clean(root: Path) -> None:
    for folder in EMPTIED:
        for file in (root / folder).rglob("*"):
            if file.is_symlink() or file.is_file():
                file.unlink()
    for name in REMOVED:
        (root / name).unlink(missing_ok=True)
