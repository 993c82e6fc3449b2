"""Who asks a run to stop, in tests."""

from __future__ import annotations

from collections.abc import Callable

from trainyard_trainer.stop import NeverStopped


class Stop(NeverStopped):
    """A stop request that comes once a condition holds; by default it never comes."""

    def __init__(self, when: Callable[[], bool] = lambda: False) -> None:
        self._when = when

    def requested(self) -> bool:
        return self._when()
