"""Finds circles of folders: rooms that import each other, directly or through others.

A node is a folder with its modules, or a module that lies in the package's own folder. A folder inside another is a
node of its own. Imports under TYPE_CHECKING count. The imports come from grimp, as the linter's do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hack.house.checkout import FOLDERS

Imports = Mapping[str, set[str]]
"""Each node, and the nodes that it imports."""

_GRAPH = """
import json, sys
import grimp
graph = grimp.build_graph(sys.argv[1], cache_dir=None)
print(json.dumps({name: sorted(graph.find_modules_directly_imported_by(name)) for name in graph.modules}))
"""


def imports_of(root: Path, package: str) -> dict[str, set[str]]:
    """Returns each module of a package in the checkout at `root`, and the package's modules that it imports."""
    # In a process of its own: there `hack` is the other checkout's, here it is this one.
    paths = os.pathsep.join(str(root / folder) for folder in FOLDERS.values())
    done = subprocess.run(
        [sys.executable, "-c", _GRAPH, package],
        cwd=root,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return {name: set(imported) for name, imported in found.items()}


def by_folder(imports: Imports, package: str) -> dict[str, set[str]]:
    """Joins the modules of each folder to one node; a node doesn't import itself."""
    above = {name.rpartition(".")[0] for name in imports}

    def node(name: str) -> str:
        folder = name if name in above else name.rpartition(".")[0]
        return name if folder in ("", package) else folder

    joined: dict[str, set[str]] = {node(name): set() for name in imports}
    for name, imported in imports.items():
        joined[node(name)] |= {node(other) for other in imported} - {node(name)}
    return joined


def circles(imports: Imports) -> list[list[str]]:
    """Returns the strongly connected components of more than one node, largest first, each sorted."""
    reach = {name: _reached(imports, name) for name in imports}
    found = {frozenset(other for other in reach[name] if name in reach[other]) for name in imports}
    return sorted((sorted(one) for one in found if len(one) > 1), key=lambda one: (-len(one), one))


def _reached(imports: Imports, start: str) -> set[str]:
    """Returns all that can be reached from a node by one import or more."""
    seen: set[str] = set()
    ahead = [*imports[start]]
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead += imports.get(name, ())
    return seen
