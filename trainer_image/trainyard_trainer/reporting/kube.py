"""The API server, as the trainer pod sees it: one object, of which it may patch one field.

Place in the data's way: station 11. The only module of the trainer that imports the Kubernetes client. The account's
token is read again as it is renewed (the client does that), and no request waits longer than ten seconds.
"""

from __future__ import annotations

from typing import Any, Final

import urllib3.exceptions
from kubernetes import client, config

from trainyard_api.fields import API_VERSION
from trainyard_api.names import TRAINER_MANAGER
from trainyard_api.progress import Progress
from trainyard_api.run_config import RunIdentity
from trainyard_api.training_job import TrainingJob
from trainyard_trainer.errors import TrainerError

_TIMEOUT_SECONDS: Final = 10
_GROUP, _, _VERSION = API_VERSION.partition("/")


class KubeError(TrainerError):
    """A patch that didn't arrive; the text says why, in one line."""


class ProgressField:
    """Patches `status.progress` of the pod's own TrainingJob."""

    def __init__(self, api: client.CustomObjectsApi, run: RunIdentity) -> None:
        self._api = api
        self._run = run

    def patch(self, progress: Progress) -> None:
        """Makes the field hold this progress; members that are None vanish, except the best checkpoint.

        Raises:
            KubeError: refused, or the API server can't be reached.
        """
        # null removes a member; an absent one would keep what an earlier report said.
        wire = progress.model_dump(mode="json", by_alias=True)
        if progress.best_checkpoint is None:
            # Of a run that goes on, an earlier pod's may still be the best, and this pod can't name its files.
            del wire["bestCheckpoint"]
        try:
            self._api.patch_namespaced_custom_object_status(
                group=_GROUP,
                version=_VERSION,
                namespace=self._run.namespace,
                plural=TrainingJob.names.plural,
                name=self._run.name,
                body={"status": {"progress": wire}},
                field_manager=TRAINER_MANAGER,
                _content_type="application/merge-patch+json",
                _request_timeout=_TIMEOUT_SECONDS,
            )
        except client.ApiException as error:
            raise KubeError(f"{error.status} {error.reason}") from error
        except (urllib3.exceptions.HTTPError, OSError, config.ConfigException) as error:
            # The last is the token's file, read again and found empty while the kubelet renews it.
            raise KubeError(type(error).__name__) from error


def in_cluster(run: RunIdentity) -> ProgressField:
    """Makes the field, reached with the pod's own service account.

    Raises:
        KubeError: this process runs in no pod, or in one without a token.
    """
    settings: Any = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=settings)
    except config.ConfigException as error:
        raise KubeError(str(error)) from error
    return ProgressField(client.CustomObjectsApi(client.ApiClient(settings)), run)
