"""The base image comes from the machine's own mirrors: both list formats are read, third parties are left out."""

from __future__ import annotations

from hack.images.apt import Source, own, parse

DEB822 = """# a comment
Types: deb deb-src
URIs: http://mirror.test/debian
# http://other.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian-security/
Suites: bookworm-security
Components:
 main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Enabled: no
Types: deb
URIs: http://mirror.test/debian
Suites: bookworm-backports
Components: main

Types: deb-src
URIs: http://source.test/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """
# deb http://commented.test/debian bookworm main
deb [arch=amd64 signed-by=/etc/apt/keyrings/a.gpg] https://mirror.test/debian bookworm main contrib # why
deb http://mirror.test/debian bookworm-updates main
deb-src http://mirror.test/debian bookworm main
"""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def test_deb822_is_read() -> None:
    """Every suite of a stanza is a source; comments, disabled stanzas and sources of source code are none."""
    assert parse(".sources", DEB822) == [
        Source("http://mirror.test/debian", "bookworm", ("main", "contrib"), KEYRING),
        Source("http://mirror.test/debian", "bookworm-updates", ("main", "contrib"), KEYRING),
        Source("http://mirror.test/debian-security/", "bookworm-security", ("main",), ""),
    ]


def test_one_line_format_is_read() -> None:
    """Options in brackets are understood, comments and source code are left out."""
    assert parse(".list", ONE_LINE) == [
        Source("https://mirror.test/debian", "bookworm", ("main", "contrib"), "/etc/apt/keyrings/a.gpg"),
        Source("http://mirror.test/debian", "bookworm-updates", ("main",), ""),
    ]


def test_other_files_hold_no_sources() -> None:
    """A file that apt ignores by its suffix is ignored here."""
    assert parse(".disabled", ONE_LINE) == []


def test_only_the_release_itself_is_used() -> None:
    """A third party's repository for the same release, and backports, don't become part of the base image."""
    release = Source("http://mirror.test/debian", "bookworm", ("main",), "")
    security = Source("http://mirror.test/debian-security", "bookworm-security", ("main",), "")
    others = [
        Source("http://third.test/linux/node", "bookworm", ("main",), ""),
        Source("http://mirror.test/debian", "bookworm-backports", ("main",), ""),
        Source("http://mirror.test/debian", "trixie", ("main",), ""),
        Source("http://mirror.test/debian", "bookworm", ("contrib",), ""),
    ]
    assert own([*others, release, security], "debian", "bookworm") == [release, security]


def test_mirror_of_another_layout_will_do() -> None:
    """Where no path names the distribution, the suite and the component decide."""
    mirror = Source("http://mirror.test/main-archive", "bookworm", ("main",), "")
    assert own([mirror], "debian", "bookworm") == [mirror]


def test_line_names_the_mounted_keyring() -> None:
    """In a build the keyring lies elsewhere than on the machine."""
    signed = Source("http://mirror.test/debian", "bookworm", ("main", "contrib"), "/etc/apt/keyrings/a.gpg")
    assert signed.line("/run/key.gpg") == "deb [signed-by=/run/key.gpg] http://mirror.test/debian bookworm main contrib"
    assert (
        Source("http://m.test/debian", "sid", ("main",), "").line("/run/key.gpg") == "deb http://m.test/debian sid main"
    )
