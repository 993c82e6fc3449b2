"""What a job's pods may do on the API server: read their TrainingJob, patch its status, nothing else.

Place in the data's way: between stations 3 and 4. Pure builders of the ServiceAccount, Role and RoleBinding, which are
applied before each start and owned by the TrainingJob. Which fields of the status count is the admission policy's
business.
"""

from __future__ import annotations

from typing import Any

from trainyard_api import names
from trainyard_api.fields import API_GROUP
from trainyard_api.training_job import TrainingJob
from trainyard_operator.cluster.ownership import owner_reference


def access_bodies(job: TrainingJob) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Builds ServiceAccount, Role and RoleBinding of one job."""
    name = names.trainer_account(job.metadata.name)
    metadata = {
        "name": name,
        "namespace": job.metadata.namespace,
        "labels": names.job_labels(job.metadata.name, job.metadata.uid),
        "ownerReferences": [owner_reference(job)],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    rules = [
        _rule("trainingjobs", "get", job.metadata.name),
        _rule("trainingjobs/status", "patch", job.metadata.name),
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": job.metadata.namespace}],
    }
    return account, role, binding


def _rule(resource: str, verb: str, name: str) -> dict[str, Any]:
    return {"apiGroups": [API_GROUP], "resources": [resource], "resourceNames": [name], "verbs": [verb]}
