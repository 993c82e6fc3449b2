"""Claims about error texts."""

from __future__ import annotations

from trainyard_operator.cluster.messages import MAX_MESSAGE, at_field, bounded, event_note


def test_an_error_reads_path_rule_value() -> None:
    """The value is quoted, so that where it begins and ends is seen, and control characters can't play tricks."""
    assert at_field("spec.x", "must be y", 'a"\n') == 'spec.x: must be y; got "a\\"\\n"'


def test_no_text_is_longer_than_the_api_takes() -> None:
    """Conditions take 1024 characters, events 1 kB."""
    assert len(bounded("x" * 5000)) == MAX_MESSAGE
    assert bounded("short") == "short"
    assert len(event_note("é" * 5000).encode()) <= 1000
