"""Counts the files that a reader must open to understand one thing.

The reader begins in an entry's file and wants to see the exits one after the other. From a definition he may go on to
any that it names (`reader` says what that means). Going into a file that isn't open yet counts one, and files stay
open. To each exit he takes a way that counts least, from the entry on. The result is how many different files are open
at the end, the entry's included.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from hack.house.reader import Reader


class NoWayError(ValueError):
    """A symbol isn't there, or what a reader follows doesn't lead to it."""


def files_to_open(reader: Reader, entry: str, exits: Sequence[str]) -> list[str]:
    """Returns the files, in the order in which they are opened.

    Raises:
        NoWayError: for the first exit that can't be reached.
    """
    for symbol in (entry, *exits):
        if symbol not in reader.names.defined:
            raise NoWayError(f"{symbol}: must be defined in this checkout; it isn't")
    opened = [reader.names.file(entry)]
    for exit_ in exits:
        opened += [file for file in dict.fromkeys(_way(reader, entry, exit_, opened)) if file not in opened]
    return opened


def _way(reader: Reader, entry: str, exit_: str, opened: Collection[str]) -> tuple[str, ...]:
    """Returns the files that the cheapest way from entry to exit goes into and that aren't open yet, in order."""
    ways: dict[str, tuple[str, ...]] = {entry: ()}
    ahead, done = deque([entry]), set[str]()
    while ahead:
        symbol = ahead.popleft()
        if symbol == exit_:
            return ways[symbol]
        if symbol in done:
            continue
        done.add(symbol)
        for named in reader.named_by(symbol):
            file = reader.names.file(named)
            free = file in opened or file == reader.names.file(symbol)
            way = ways[symbol] if free else (*ways[symbol], file)
            if named not in ways or len(way) < len(ways[named]):
                ways[named] = way
                (ahead.appendleft if free else ahead.append)(named)
    raise NoWayError(f"{exit_}: must be reached from {entry}; no definition on the way names it")
