"""The compiler that builds the cluster's programs."""

from __future__ import annotations

import pytest

from hack.cluster import binaries, toolchain
from hack.cluster.progress import ClusterError


def test_the_compiler_is_as_new_as_the_module_asks():
    """The line of go.mod decides, number by number; the compiler that is downloaded at need satisfies it."""
    assert toolchain.required("module x\n\ngo 1.26.3\n") == (1, 26, 3)
    assert toolchain.required("go 1.9\n") < toolchain.required("go 1.26\n")
    with pytest.raises(ClusterError, match="want a line `go X"):
        toolchain.required("module x\n")
    carried = tuple(int(part) for part in toolchain._WHEEL.split("==")[1].split("."))
    assert carried >= toolchain.required((binaries._MODULE / "go.mod").read_text())
