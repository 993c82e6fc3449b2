"""What a person who waits for a cluster is told."""

from __future__ import annotations

import re

import pytest

from hack.cluster.progress import ClusterError, say, wait_until


def test_a_line_has_the_seconds_since_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    """So that one sees which step took long."""
    say("etcd runs")
    assert re.fullmatch(r"\[ *\d+\.\d s\] etcd runs\n", capsys.readouterr().out)


def test_waiting_ends_with_what_is_waited_for() -> None:
    """Looks again until it is so."""
    looks = iter([False, False, True])
    wait_until(lambda: next(looks), "never mind", 600)
    assert list(looks) == []


def test_what_never_comes_is_named_with_a_hint() -> None:
    """One line: what, how long, and where to look."""
    with pytest.raises(ClusterError, match=r"^etcd: not so after 0 s; see its log$"):
        wait_until(lambda: False, "etcd", 0, hint="see its log")
