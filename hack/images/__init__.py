"""The images: built from the project's own Dockerfiles, pushed to the cluster's registry, named by their content.

Run as `python -m hack.images build|derive`. Nothing of it is part of the product that users install.
"""

from hack.images.derive import derive
from hack.images.errors import ImageError
from hack.images.refs import load_refs

__all__ = ["ImageError", "derive", "load_refs"]
