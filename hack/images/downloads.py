"""How this machine downloads: its CA bundle and the index settings of pip, uv and apt, handed to a build as secrets.

A secret is mounted while one step runs and is in no layer. Reads the machine's settings; changes none.
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hack.images.apt import Release

MOUNTED_CA = "/run/secrets/ca_bundle"
_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")


def ca_bundle(environment: Mapping[str, str]) -> Path | None:
    """Finds the file with the certificates that this machine trusts."""
    named = [environment.get(name) for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")]
    places = [*named, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]
    return next((Path(place) for place in places if place and Path(place).is_file()), None)


def secrets(folder: Path, release: Release | None) -> dict[str, Path]:
    """Writes the settings into a folder that only this user can read.

    Args:
        folder: an empty folder, deleted by the caller after the build.
        release: what apt is to install from; None leaves the base image's own sources.

    Returns: file by the secret's id.
    """
    contents: dict[str, str] = {}
    found: dict[str, Path] = {}
    bundle = ca_bundle(os.environ)
    if bundle:
        found["ca_bundle"] = bundle
    pip = pip_settings(os.environ, _pip_files(os.environ))
    contents["pip_conf"] = pip_conf(pip, trusted=bundle is not None)
    contents["uv_toml"] = _uv_toml(pip)
    if release:
        # apt itself must find these, so they are mounted where it looks.
        from hack.images import apt  # noqa: PLC0415  # only a Debian-like machine has one

        contents["apt_sources"] = "".join(f"{each.line(apt.MOUNTED_KEYRING)}\n" for each in release.sources)
        contents["apt_conf"] = apt.proxy_and_checks() + (f'Acquire::https::CaInfo "{MOUNTED_CA}";\n' if bundle else "")
        if release.main.keyring:
            found["apt_keyring"] = Path(release.main.keyring)
    for name, content in contents.items():
        found[name] = folder / name
        found[name].write_text(content)
        found[name].chmod(0o600)
    return found


def pip_settings(environment: Mapping[str, str], files: list[Path]) -> dict[str, str]:
    """Merges the index settings of pip: the files in order, later ones first, the environment above all."""
    parser = configparser.RawConfigParser()
    parser.read(files)
    settings: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            settings |= {key: value for key, value in parser.items(section) if key in _PIP_KEYS}
    named = {key: environment.get(f"PIP_{key.upper().replace('-', '_')}", "") for key in _PIP_KEYS}
    return settings | {key: value for key, value in named.items() if value}


def pip_conf(settings: Mapping[str, str], *, trusted: bool) -> str:
    """Writes a pip.conf with those settings and, where there is one, the mounted CA bundle."""
    lines = [f"{key} = {' '.join(value.split())}\n" for key, value in settings.items()]
    return (
        "[global]\ndisable-pip-version-check = true\n" + "".join(lines) + (f"cert = {MOUNTED_CA}\n" if trusted else "")
    )


def uv_toml(default: str, extra: list[str]) -> str:
    """Writes a uv.toml that asks those indexes; uv's own default where none is named."""
    indexes = [(url, "") for url in extra] + ([(default, "default = true\n")] if default else [])
    return "".join(f'[[index]]\nurl = "{url}"\n{rest}' for url, rest in indexes)


def uv_cache() -> Path:
    """Returns uv's download cache on this machine, shared with the builds so that nothing is fetched twice."""
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    done = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=False) if uv else None
    named = Path(done.stdout.strip()) if done and not done.returncode else Path.home() / ".cache" / "uv"
    named.mkdir(parents=True, exist_ok=True)
    return named


def _uv_toml(pip: Mapping[str, str]) -> str:
    default = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL", "")
    extra = os.environ.get("UV_INDEX") or os.environ.get("UV_EXTRA_INDEX_URL", "")
    if default or extra:
        return uv_toml(default, extra.split())
    named = [os.environ.get("UV_CONFIG_FILE"), Path.home() / ".config/uv/uv.toml", "/etc/uv/uv.toml"]
    own = next((Path(place) for place in named if place and Path(place).is_file()), None)
    return own.read_text() if own else uv_toml(pip.get("index-url", ""), pip.get("extra-index-url", "").split())


def _pip_files(environment: Mapping[str, str]) -> list[Path]:
    places = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        Path.home() / ".pip" / "pip.conf",
        Path.home() / ".config" / "pip" / "pip.conf",
    ]
    named = environment.get("PIP_CONFIG_FILE")
    return [*places, Path(named)] if named and named != os.devnull else places
