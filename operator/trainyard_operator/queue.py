"""The queue of passes: one at a time per object, as many as are asked for, each of them complete.

Place in the data's way: station 2, around observe → decide → apply. Whoever sees a change asks for a pass; requests
that come while one runs are answered by one more. A pass that fails is logged and asked for again by the tick. What a
pass does is its kind's: see `Controller`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from trainyard_operator.cluster.kube import Kind, KubeError
from trainyard_operator.cluster.listing import ClusterListing
from trainyard_operator.cluster.reader import Body
from trainyard_operator.cluster.watch import Watch
from trainyard_operator.ledger.errors import LedgerError
from trainyard_operator.metrics import Metrics

log = logging.getLogger(__name__)

_CONCURRENT: Final = 8
_CONFLICTS: Final = 5
_LEAST_SECONDS: Final = 0.2
"""Between the beginnings of two passes over the same object, however often it changes."""


class Key(NamedTuple):
    """The object that a pass is about."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.plural} {self.namespace}/{self.name}"


class Controller(Protocol):
    """One kind of object: what is watched and listed for it, and a pass over one of its objects."""

    @property
    def kind(self) -> Kind:
        """Names the kind of object."""

    @property
    def watches(self) -> Sequence[Watch]:
        """Lists the events that ask for a pass."""

    @property
    def lists(self) -> Sequence[Kind]:
        """Names what a tick lists to judge the objects, in this order."""

    @property
    def chores(self) -> Sequence[Callable[[ClusterListing], Awaitable[None]]]:
        """Lists what is done once a tick about all objects together, after they were judged."""

    def seen(self, body: Body) -> None:
        """Begins what can't wait for a pass, from an event's own body; returns at once."""

    def is_urgent(self, body: Body) -> bool:
        """Tells whether a pass over an object should overtake others: it may stop something that costs money."""

    async def judge(self, listing: ClusterListing) -> Callable[[Body], Awaitable[bool]]:
        """Prepares for a listing; the result tells of an object in it whether a pass would write anything."""

    async def reconcile(self, namespace: str, name: str) -> None:
        """Makes one pass: observe, decide, apply.

        Raises:
            KubeError: a request failed, or the object has changed meanwhile (`conflict`).
            LedgerUnavailable: a row could not be read or written.
        """


@dataclass
class Queue:
    """Runs passes on request."""

    controllers: Mapping[Kind, Controller]
    metrics: Metrics
    _running: dict[Key, asyncio.Task[None]] = field(default_factory=dict)
    _again: set[Key] = field(default_factory=set)
    _urgent: set[Key] = field(default_factory=set)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CONCURRENT))
    _lane: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CONCURRENT))
    """Slots that only urgent passes use."""
    _hurries: dict[Key, asyncio.Future[None]] = field(default_factory=dict)
    """Done where a pass that waits for an ordinary slot has become urgent."""

    def ask(self, key: Key, *, urgent: bool = False) -> None:
        """Asks for a pass over one object, soon; never blocks. An urgent one doesn't wait behind others."""
        if urgent:
            self._urgent.add(key)
            if key in self._hurries and not self._hurries[key].done():
                self._hurries[key].set_result(None)
        if key in self._running:
            self._again.add(key)
        else:
            self._running[key] = asyncio.create_task(self._run(key), name=f"pass {key}")

    def is_running(self, key: Key) -> bool:
        """Tells whether a pass over this object runs or waits for its turn."""
        return key in self._running

    async def settle(self) -> None:
        """Waits until no pass runs."""
        while self._running:
            await asyncio.gather(*self._running.values())

    async def _run(self, key: Key) -> None:
        conflicts = 0
        try:
            while True:
                async with self._slot(key):
                    self._urgent.discard(key)
                    self._again.discard(key)
                    begun = time.monotonic()
                    conflicts = conflicts + 1 if await self._attempt(key) else 0
                if conflicts == _CONFLICTS:
                    log.warning("%s: changed during %d passes in a row", key, conflicts)
                if key not in self._again and not 0 < conflicts < _CONFLICTS:
                    return
                await asyncio.sleep(max(0.0, begun + _LEAST_SECONDS - time.monotonic()))
        finally:
            del self._running[key]

    @contextlib.asynccontextmanager
    async def _slot(self, key: Key) -> AsyncIterator[None]:
        """Holds a slot for a pass, once there is one; it waits behind no other pass where it is, or becomes, urgent."""
        ordinary = key not in self._urgent and await self._in_turn(key)
        slots = self._slots if ordinary else self._lane
        if not ordinary:
            await slots.acquire()
        try:
            yield
        finally:
            slots.release()

    async def _in_turn(self, key: Key) -> bool:
        """Takes an ordinary slot; returns False, without one, where the pass has become urgent before."""
        turn = asyncio.ensure_future(self._slots.acquire())
        hurry = self._hurries[key] = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait((turn, hurry), return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._hurries[key]
            taken = turn.done() or not turn.cancel()
        return taken

    async def _attempt(self, key: Key) -> bool:
        """Makes one pass; returns whether it met a conflict."""
        begun = time.monotonic()
        result = "ok"
        try:
            await self.controllers[key.kind].reconcile(key.namespace, key.name)
        except KubeError as error:
            result = "conflict" if error.conflict else "error"
            log.log(logging.DEBUG if error.conflict else logging.WARNING, "%s: %s", key, error)
        except LedgerError as error:
            result = "error"
            log.warning("%s: ledger: %s", key, error)
        except Exception:
            # What one object's state provokes must not stop the others; the tick asks again, and the metric counts it.
            result = "error"
            log.exception("%s: the pass failed", key)
        self.metrics.pass_done(result, time.monotonic() - begun)
        return result == "conflict"
