"""What a pod writes to: the database's login, and the storage of its checkpoints.

Place in the data's way: station 4, before any work. What a user can get wrong of either is refused here.
"""

from __future__ import annotations

import logging

from trainyard_api import names
from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.files import Origin
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger.login import Login
from trainyard_trainer.pod.pod_environment import PodEnvironment
from trainyard_trainer.storage.storage import Storage
from trainyard_trainer.storage.storage_open import open_storage
from trainyard_trainer.storage.storage_s3 import Fields

_log = logging.getLogger(__name__)


def login_of(environment: PodEnvironment, config: RunConfig) -> Login:
    """Takes the database's login from the environment.

    Raises:
        RefusedError: it is empty.
    """
    if environment.dsn:
        return Login(environment.dsn, config.database_secret)
    raise RefusedError(
        TerminationReason.DATABASE_REFUSED,
        f"the Secret's key {names.DSN_KEY} must hold a connection string; it is empty",
        field_path="spec.database.secretRef.name",
        value=config.database_secret,
    )


def checkpoint_storage(environment: PodEnvironment, config: RunConfig) -> tuple[Storage, Origin]:
    """Opens and tries where checkpoints go; returns it with the name under which they are written.

    Raises:
        RefusedError: it can't be written, or the pod has no uid.
    """
    identity, where = config.run, config.checkpoints.storage
    if not environment.pod_uid:
        raise RefusedError(
            TerminationReason.INVALID_RUN_CONFIG,
            "the pod must be given its own uid, under which its files lie",
            field_path=names.ENV_POD_UID,
            value="",
        )
    storage = open_storage(where, environment.checkpoints, Fields.below("spec.checkpoints.storage.s3"))
    storage.check(write=True)
    prefix = where.s3.prefix if where.s3 is not None else ""
    parent = config.model.checkpoint
    origin = Origin(
        run=identity,
        pod_uid=environment.pod_uid,
        prefix=names.run_prefix(prefix, identity.namespace, identity.name, identity.uid),
        parent_uri=None if parent is None else parent.uri,
        tags=config.tags,
    )
    _log.info("checkpoints: %s can be written", storage.uri(origin.prefix))
    return storage, origin
