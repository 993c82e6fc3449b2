"""Two commands that would undo each other's work take turns."""

from __future__ import annotations

import threading

import pytest

from hack.cluster.locks import exclusive
from tests.waiting import until


@pytest.mark.usefixtures("cache")
def test_the_second_waits_for_the_first_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Which lock it waits for stands in the line; then it goes on."""
    order: list[str] = []
    shown: list[str] = []

    def second() -> None:
        with exclusive("build"):
            order.append("second")

    def told() -> bool:
        shown.append(capsys.readouterr().out)
        return "another command holds the build lock" in "".join(shown)

    thread = threading.Thread(target=second)
    with exclusive("build"):
        thread.start()
        until(told, "it doesn't say that it waits")
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.usefixtures("cache")
def test_locks_of_other_names_do_not_wait() -> None:
    """Whoever has the cluster's may build."""
    with exclusive("cluster"), exclusive("build"):
        pass
