"""Writes what is measured as text: the structure of each package, and the walks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hack.house import sizes
from hack.house.checkout import Checkout, Module
from hack.house.circles import by_folder, circles, imports_of
from hack.house.hops import files_to_open
from hack.house.places import places
from hack.house.reader import Reader
from hack.house.walks import NUMBERS, WALKS


def structure(checkout: Checkout) -> Iterator[str]:
    """Yields the lines of the report, package by package."""
    for package, modules in checkout.packages.items():
        yield f"\n{package}: {len(modules)} modules"
        yield from _circles(checkout.root, package)
        yield from _sizes("lines of files", sizes.file_lengths(modules))
        yield from _sizes("lines of functions", sizes.function_lengths(modules))
        yield from _long_files(modules)
        yield from _mirrors(checkout.root, package, modules)


def _circles(root: Path, package: str) -> Iterator[str]:
    found = circles(by_folder(imports_of(root, package), package))
    yield f"  circles of folders: {len(found)}"
    for one in found:
        yield f"    {len(one)}: {', '.join(name.removeprefix(f'{package}.') for name in one)}"


def _sizes(what: str, lengths: Sequence[tuple[int, str]]) -> Iterator[str]:
    if lengths:
        found = sizes.sizes(lengths)
        yield f"  {what}: {found.count} of them, median {found.median}, 90th percentile {found.ninetieth}"
        yield from (f"    {length:4} {name}" for length, name in found.largest)


def _long_files(modules: Sequence[Module]) -> Iterator[str]:
    long = sum(module.lines > sizes.LONG_FILE for module in modules)
    yield f"  files over {sizes.LONG_FILE} lines: {long}"


def _mirrors(root: Path, package: str, modules: Sequence[Module]) -> Iterator[str]:
    found = sizes.mirrors(root, package, modules)
    has = found.count - len(found.missing)
    yield f"  test modules of the same name and folder: {has} of {found.count} ({found.share:.0%})"
    yield f"    of the same name in another folder: {len(found.misplaced)}"
    yield from (f"    none: {path}" for path in found.missing if path not in found.misplaced)


def way(reader: Reader, entry: str, exits: Sequence[str]) -> Iterator[str]:
    """Yields the number of files to open and their paths.

    Raises:
        NoWayError: an exit can't be reached.
    """
    files = files_to_open(reader, entry, exits)
    yield f"  {len(files)} files"
    yield from (f"    {file}" for file in files)


def named(modules: Sequence[Module], name: str) -> Iterator[str]:
    """Yields the number of definitions that name something and their places."""
    found = places(modules, name)
    yield f"  {len(found)} places name {name}"
    yield from (f"    {place}" for place in found)


def walks(checkout: Checkout, reader: Reader) -> Iterator[str]:
    """Yields what each walk of `walks` costs.

    Raises:
        NoWayError: a symbol of a walk isn't there any more, or isn't reached any more.
    """
    for walk in WALKS:
        yield f"\n{walk.name}: {walk.asks}"
        yield from way(reader, walk.entry, walk.exits)
    for number in NUMBERS:
        yield f"\n{number.name}: {number.asks}"
        yield from named(checkout.product, number.measured)
