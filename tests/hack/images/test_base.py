"""The base image is named by what it is made of, and nothing of this machine stays in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.images import base
from hack.images.apt import Release, Source
from hack.images.errors import ImageError


def release(codename: str = "bookworm", keyring: str = "/keys/debian.gpg") -> Release:
    """A release from a mirror."""
    return Release("debian", codename, (Source("http://mirror.test/debian", codename, ("main",), keyring),))


def test_another_release_or_package_is_another_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror that it comes from isn't in its name: two machines share it."""
    known = base.recipe(release())
    assert base.recipe(release(keyring="")) == known
    assert base.recipe(release("trixie")) != known
    monkeypatch.setattr(base, "INCLUDED", (*base.INCLUDED, "more"))
    assert base.recipe(release()) != known


def test_the_bootstrap_trusts_the_keyring_of_the_mirror() -> None:
    """And fetches from that mirror; without a keyring of its own, debootstrap's is used."""
    command = base._debootstrap(Path("/root"), release())
    assert command[-3:] == ["bookworm", "/root", "http://mirror.test/debian"]
    assert "--keyring=/keys/debian.gpg" in command
    assert not any(part.startswith("--keyring") for part in base._debootstrap(Path("/root"), release(keyring="")))


def test_what_names_this_machine_goes_and_folders_stay(tmp_path: Path) -> None:
    """Packages that are installed later expect the folders; links are removed, not what they lead to."""
    for name in ("var/lib/apt/lists/partial/list", "usr/share/doc/a/copyright", "etc/hostname", "etc/kept"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "usr/share/doc/a/link").symlink_to(tmp_path / "etc/kept")
    base._clean(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir()}
    assert left == {"etc/kept"}
    assert (tmp_path / "var/lib/apt/lists/partial").is_dir()


def test_an_old_python_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are compared as numbers: 3.9 is older than 3.11."""
    monkeypatch.setattr(base, "answer", lambda _: "3 9")
    with pytest.raises(ImageError, match=r"got 3\.9; set TRAINYARD_BASE_IMAGE"):
        base._refuse_old_python(Path("/root"), release())
    monkeypatch.setattr(base, "answer", lambda _: "3 11")
    base._refuse_old_python(Path("/root"), release())
