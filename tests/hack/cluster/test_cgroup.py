"""The cluster's cgroup on both versions of the kernel's interface, in a folder that looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.cluster import cgroup, layout


@pytest.fixture(params=["v1", "v2"])
def hierarchies(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where the cgroup must be made: once, or once for each controller that isn't another's link."""
    monkeypatch.setattr(cgroup, "_BASE", tmp_path)
    if request.param == "v2":
        (tmp_path / "cgroup.controllers").touch()
        return [tmp_path]
    found = [tmp_path / name for name in ("memory", "cpu,cpuacct")]
    for folder in found:
        folder.mkdir()
        (folder / "cgroup.procs").touch()
    (tmp_path / "cpu").symlink_to(found[1])
    (tmp_path / "no-hierarchy").mkdir()
    return found


def test_it_is_made_in_every_hierarchy_and_its_processes_are_found(hierarchies: list[Path]) -> None:
    """Also those of pods, deep inside, each once."""
    cgroup.make()
    cgroup.make()
    for folder in hierarchies:
        pod = folder / layout.CGROUP / "kubepods" / "pod1"
        pod.mkdir(parents=True)
        (pod / "cgroup.procs").write_text("12\n7\n")
    assert cgroup.members() == [7, 12]


def test_remove_takes_the_parts_first_and_leaves_what_still_dies(hierarchies: list[Path]) -> None:
    """A folder that the kernel refuses to remove stays for the next time, without an error."""
    cgroup.make()
    for folder in hierarchies:
        (folder / layout.CGROUP / "kubepods" / "pod1").mkdir(parents=True)
    busy = hierarchies[0] / layout.CGROUP / "busy"
    busy.mkdir()
    (busy / "cgroup.procs").touch()
    cgroup.remove()
    assert [child.name for child in (hierarchies[0] / layout.CGROUP).iterdir()] == ["busy"]
    assert not any((folder / layout.CGROUP).exists() for folder in hierarchies[1:])
