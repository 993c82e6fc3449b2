"""A machine's own way to download reaches the build, as secrets that only this user can read."""

from __future__ import annotations

import configparser
import tomllib
from pathlib import Path

import pytest

from hack.images import downloads


def test_environment_beats_files_and_later_files_beat_earlier(tmp_path: Path) -> None:
    """The order in which pip itself looks; keys that say nothing of downloading are left out."""
    first, second = tmp_path / "first.conf", tmp_path / "second.conf"
    first.write_text("[global]\nindex-url = http://first.test/simple\ntimeout = 9\nuser = true\nfind-links = /here\n")
    second.write_text("[global]\nindex-url = http://second.test/simple\n[install]\ntrusted-host = second.test\n")
    environment = {"PIP_TIMEOUT": "180", "PIP_REQUIRE_VIRTUALENV": "1"}
    assert downloads.pip_settings(environment, [first, second, tmp_path / "none.conf"]) == {
        "index-url": "http://second.test/simple",
        "timeout": "180",
        "trusted-host": "second.test",
    }


def test_pip_conf_is_read_by_pips_own_parser() -> None:
    """The settings survive the way into the file; the CA bundle is named where it is mounted, if there is one."""
    parser = configparser.RawConfigParser()
    parser.read_string(downloads.pip_conf({"extra-index-url": "http://a.test/s\nhttp://b.test/s"}, trusted=True))
    assert parser["global"]["extra-index-url"].split() == ["http://a.test/s", "http://b.test/s"]
    assert parser["global"]["cert"] == downloads.MOUNTED_CA
    assert "cert" not in downloads.pip_conf({}, trusted=False)


def test_uv_toml_names_default_and_extra_indexes() -> None:
    """Extra indexes come first, as uv prefers them; with nothing to say the file is empty."""
    parsed = tomllib.loads(downloads.uv_toml("http://main.test/simple", ["http://extra.test/simple"]))
    assert parsed["index"] == [
        {"url": "http://extra.test/simple"},
        {"url": "http://main.test/simple", "default": True},
    ]
    assert downloads.uv_toml("", []) == ""


def test_secrets_are_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index address may hold a password: the files are private, and both installers get it."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:password@index.test/simple")
    found = downloads.secrets(tmp_path, None)
    for name in ("pip_conf", "uv_toml"):
        assert "user:password@index.test" in found[name].read_text()
        assert found[name].stat().st_mode & 0o077 == 0
    assert "apt_sources" not in found


def test_ca_bundle_is_the_one_that_the_environment_names(tmp_path: Path) -> None:
    """A named file that isn't there is passed over."""
    bundle = tmp_path / "ca.crt"
    bundle.write_text("certificates")
    environment = {"SSL_CERT_FILE": str(tmp_path / "absent"), "PIP_CERT": str(bundle)}
    assert downloads.ca_bundle(environment) == bundle
