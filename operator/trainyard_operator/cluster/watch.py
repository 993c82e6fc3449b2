"""Which events of the API server ask for a pass over which object.

Place in the data's way: station 2, its triggers. Data only: a kind names its watches, and `handlers.py` makes them
kopf's.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainyard_operator.cluster.kube import Kind


@dataclass(frozen=True)
class Watch:
    """Events about the objects of a kind."""

    kind: Kind
    label: str | None = None
    """Label that holds the name of the object to look at, in the same namespace; None: it is the very object."""
