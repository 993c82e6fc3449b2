"""Passwords of the services are drawn once."""

from __future__ import annotations

from hack.services import credentials

ACCOUNT = credentials.draw()


def test_credentials_survive_their_secret() -> None:
    """What is read back is what was drawn, and two draws differ."""
    assert credentials.read(ACCOUNT.as_data()) == ACCOUNT
    assert credentials.draw() != ACCOUNT
