"""The one error that the image builds raise: a line that says what is wrong and what to do."""

from __future__ import annotations

from hack.cluster.progress import ClusterError


class ImageError(ClusterError):
    """An image can't be built, pushed or brought to the node; the message names the way out or the log."""
