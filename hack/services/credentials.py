"""The passwords of the services: drawn at random at the first `up`, kept in a Secret, the same ever after.

Never printed, never on a command line.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Credentials:
    """What the two servers ask for. Letters and digits only, so that no URL or SQL needs quoting."""

    operator_password: str = field(repr=False)
    team_password: str = field(repr=False)
    access_key: str
    secret_key: str = field(repr=False)

    def as_data(self) -> dict[str, str]:
        """Returns the Secret's entries."""
        return asdict(self)


def draw() -> Credentials:
    """Draws new ones."""
    return Credentials(
        secrets.token_hex(24), secrets.token_hex(24), secrets.token_hex(10).upper(), secrets.token_hex(20)
    )


def read(data: Mapping[str, str]) -> Credentials:
    """Reads those of a Secret.

    Raises:
        KeyError: an entry is missing.
    """
    return Credentials(**{name: data[name] for name in Credentials.__dataclass_fields__})
