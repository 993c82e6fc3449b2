"""The list of generated files is the one that everything else looks at."""

from __future__ import annotations

from fnmatch import fnmatch

from hack.generate.crd import KINDS
from hack.generate.outputs import OWNED, ROOT, outputs


def test_each_kind_has_a_file_for_kubectl_and_one_for_the_chart() -> None:
    """Both in folders that hold nothing else, so that what is left over there is noticed."""
    owned = [name for name in outputs() if any(fnmatch(name, pattern) for pattern in OWNED)]
    assert len(owned) == 2 * len(KINDS)
    assert {name.rsplit("/", 1)[0] for name in owned} == {"crds", "charts/trainyard/templates/crds"}


def test_every_file_lies_in_the_repository() -> None:
    """By a path below its root, without a step upward."""
    for name in outputs():
        assert (ROOT / name).resolve().is_relative_to(ROOT)
        assert ".." not in name
