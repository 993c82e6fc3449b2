"""Where a run may have its checkpoints.

Place in the data's way: station 9. A pod may claim anything; a URI is its run's own only if it lies in one folder right
below the run's prefix. Pure.
"""

from __future__ import annotations

import re
from typing import Final

from trainyard_api import names
from trainyard_api.model_source import Storage

_FOLDER: Final = re.compile(r"^step-[0-9]{1,9}(-u[0-9]{1,6})?-[A-Za-z0-9]{1,8}/$")


def run_uri(storage: Storage, namespace: str, job: str, job_uid: str) -> str:
    """Names the URI below which all checkpoints of a run lie, with a trailing slash."""
    return f"s3://{storage.s3.bucket}/{names.run_prefix(storage.s3.prefix, namespace, job, job_uid)}"


def inside_run(uri: str, storage: Storage, namespace: str, job: str, job_uid: str) -> bool:
    """Tells whether a URI names a checkpoint folder right below the run's prefix."""
    prefix = run_uri(storage, namespace, job, job_uid)
    return uri.startswith(prefix) and _FOLDER.fullmatch(uri.removeprefix(prefix)) is not None
