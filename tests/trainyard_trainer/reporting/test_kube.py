"""Progress reaches the object of a real API server, and what can't reach it says why in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes import client, config

from hack.cluster.controlplane import control_plane
from tests.contract.server import GROUP, VERSION, Server
from trainyard_api.progress import Progress, ReportedCheckpoint
from trainyard_api.run_config import RunIdentity
from trainyard_trainer.reporting.kube import KubeError, ProgressField, in_cluster

pytestmark = pytest.mark.integration

RUN = RunIdentity(namespace="default", name="calculator-sft", uid="11111111-2222", attempt=1)
EXAMPLE = Path(__file__).parents[3] / "crds/examples/calculator-sft.yaml"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[client.CustomObjectsApi]:
    """An API server with one TrainingJob."""
    with control_plane(tmp_path_factory.mktemp("plane"), controllers=False) as plane:
        server = Server(plane.kubeconfig)
        server.install_crds()
        job = yaml.safe_load(EXAMPLE.read_text())
        job["metadata"]["namespace"] = "default"
        created = server.create(job, dry_run=False)
        assert isinstance(created, dict)
        with config.new_client_from_config(str(plane.kubeconfig)) as connection:
            yield client.CustomObjectsApi(connection)


def stored(api: client.CustomObjectsApi) -> dict:
    """The object as it is."""
    return api.get_namespaced_custom_object(GROUP, VERSION, "default", "trainingjobs", RUN.name)


def test_progress_is_shown_under_the_trainers_name(api: client.CustomObjectsApi) -> None:
    """The status holds what was reported; the field manager is the trainer's; the spec isn't touched."""
    ProgressField(api, RUN).patch(Progress(step=31, steps="31/60", percent=51, reward="0.84"))
    job = stored(api)
    assert job["status"]["progress"] == {"step": 31, "steps": "31/60", "percent": 51, "reward": "0.84"}
    assert job["metadata"]["generation"] == 1
    managers = {entry["manager"]: entry.get("subresource") for entry in job["metadata"]["managedFields"]}
    assert managers["trainyard-trainer"] == "status"


def test_what_is_no_longer_reported_vanishes(api: client.CustomObjectsApi) -> None:
    """The field is what the newest report says, not a mixture with older ones."""
    field = ProgressField(api, RUN)
    newest = ReportedCheckpoint(step=1, uri="s3://b/x/", digest="sha256:" + "0" * 64)
    field.patch(Progress(step=1, reward="0.5", last_checkpoint=newest))
    field.patch(Progress(step=2))
    assert stored(api)["status"]["progress"] == {"step": 2}


def test_the_best_checkpoint_stays_until_there_is_a_better_one(api: client.CustomObjectsApi) -> None:
    """A pod that goes on from a later state than the best doesn't know the best one's files."""
    best = [ReportedCheckpoint(step=n, uri=f"s3://b/{n}/", digest="sha256:" + "0" * 64) for n in (1, 2)]
    ProgressField(api, RUN).patch(Progress(step=1, best_checkpoint=best[0]))
    field = ProgressField(api, RUN)
    field.patch(Progress(step=2))
    assert stored(api)["status"]["progress"]["bestCheckpoint"]["uri"] == "s3://b/1/"
    field.patch(Progress(step=2, best_checkpoint=best[1]))
    assert stored(api)["status"]["progress"]["bestCheckpoint"]["uri"] == "s3://b/2/"


def test_a_refused_report_says_why(api: client.CustomObjectsApi) -> None:
    """Another job, a value that the schema refuses: an error of one line."""
    with pytest.raises(KubeError, match=r"^404 Not Found$"):
        ProgressField(api, RUN.model_copy(update={"name": "nobody"})).patch(Progress(step=1))
    with pytest.raises(KubeError, match=r"^422 Unprocessable Entity$"):
        ProgressField(api, RUN).patch(Progress.model_construct(percent=101))


def test_an_unreachable_api_server_is_an_error_of_one_line() -> None:
    """Not a traceback per report."""
    settings = client.Configuration(host="http://127.0.0.1:1")
    settings.retries = False
    with client.ApiClient(settings) as connection, pytest.raises(KubeError, match=r"^[A-Za-z]+$"):
        ProgressField(client.CustomObjectsApi(connection), RUN).patch(Progress(step=1))


def test_a_token_that_cannot_be_read_is_an_error_of_one_line() -> None:
    """The client reads the account's token before a request; its own error must not end the reporting thread."""

    def unreadable(_: client.Configuration) -> None:
        raise config.ConfigException("Token file exists but empty.")

    settings = client.Configuration(host="http://127.0.0.1:1")
    settings.api_key["authorization"] = "Bearer old"
    settings.refresh_api_key_hook = unreadable
    with client.ApiClient(settings) as connection, pytest.raises(KubeError, match=r"^ConfigException$"):
        ProgressField(client.CustomObjectsApi(connection), RUN).patch(Progress(step=1))


def test_outside_a_pod_there_is_no_field() -> None:
    """The account's token is missing, and the message says so."""
    with pytest.raises(KubeError, match="Service host/port is not set"):
        in_cluster(RUN)
