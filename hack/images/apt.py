"""Where this machine's own Debian-like release comes from: read from apt's source lists, both formats, at run time.

The base image is made from the same mirrors as the machine itself. Parsing is pure; writes nothing.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from hack.images.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Where the keyring is mounted while an image is built.
MOUNTED_KEYRING = "/run/secrets/apt_keyring.gpg"
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")


@dataclass(frozen=True)
class Source:
    """One mirror of one suite."""

    uri: str
    suite: str
    components: tuple[str, ...]
    keyring: str
    """The file that signs it; empty for apt's default."""

    def line(self, keyring: str) -> str:
        """Writes the source in the one-line format, signed by another place of its keyring."""
        options = f"[signed-by={keyring}] " if self.keyring else ""
        return f"deb {options}{self.uri} {self.suite} {' '.join(self.components)}"


@dataclass(frozen=True)
class Release:
    """The machine's own release: `debian` and `bookworm`, say, and where its packages come from."""

    distribution: str
    codename: str
    sources: tuple[Source, ...]

    @property
    def main(self) -> Source:
        """Returns the source of the release itself, without updates."""
        return next(source for source in self.sources if source.suite == self.codename)


def release() -> Release:
    """Finds this machine's release.

    Raises:
        ImageError: it is not a Debian-like one, or its source lists don't name a mirror of it.
    """
    system = _system()
    codename, distribution = system.get("VERSION_CODENAME", ""), system.get("ID", "")
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    found = (source for file in lists if file.is_file() for source in parse(file.suffix, file.read_text()))
    sources = own(found, distribution, codename)
    if not any(source.suite == codename for source in sources):
        raise ImageError(
            f"base image: want a Debian-like machine with a mirror of its release in /etc/apt; got "
            f"{distribution or 'no'} {codename or 'release'}; set TRAINYARD_BASE_IMAGE to an image with Python 3.11"
        )
    return Release(distribution, codename, tuple(sources))


def parse(suffix: str, text: str) -> list[Source]:
    """Parses the binary sources of one list file, chosen by its suffix: `.list` or `.sources`; none from other
    files.
    """
    if suffix == ".sources":
        return _deb822(text)
    return _one_line(text) if suffix == ".list" else []


def own(sources: Iterable[Source], distribution: str, codename: str) -> list[Source]:
    """Keeps those that carry the release itself, its updates and security fixes: no third party's, no backports.

    A third party's repository may have a suite of the same name; mirrors have the distribution's name in their path.
    Where none has, a mirror of another layout is all there is.
    """
    suites = {codename, f"{codename}-updates", f"{codename}-security"}
    possible = [source for source in sources if source.suite in suites and "main" in source.components]
    return [source for source in possible if distribution in urlparse(source.uri).path] or possible


def proxy_and_checks() -> str:
    """Returns what the machine's apt is told of fetching (proxies, checks of dates), in apt's own format."""
    dump = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
    kept = re.compile(r"^Acquire::(https?|Check-|Retries|ForceIPv)", re.IGNORECASE)
    return "".join(f"{line}\n" for line in dump.splitlines() if kept.match(line))


def _system() -> dict[str, str]:
    path = Path("/etc/os-release")
    lines = path.read_text().splitlines() if path.exists() else []
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def _one_line(text: str) -> list[Source]:
    sources = []
    for line in text.splitlines():
        match = _ONE_LINE.match(line.split("#")[0].strip())
        if match:
            options = dict(option.split("=", 1) for option in (match["options"] or "").split() if "=" in option)
            keyring = options.get("signed-by", "")
            sources.append(Source(match["uri"], match["suite"], tuple(match["components"].split()), keyring))
    return sources


def _deb822(text: str) -> list[Source]:
    sources = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        # A key may also stand in the field itself; then apt's default keyring has to do.
        signed = fields.get("signed-by", "")
        keyring = signed if signed.startswith("/") else ""
        components = tuple(fields.get("components", "").split())
        sources += [
            Source(uri, suite, components, keyring)
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
        ]
    return sources


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    last = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            fields[last] = f"{fields.get(last, '')} {line.strip()}".strip()
        elif ":" in line:
            key, _, value = line.partition(":")
            last = key.strip().lower()
            fields[last] = value.strip()
    return fields
