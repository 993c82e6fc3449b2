"""What a user of the chart may set: the one source of its values, their schema and its README.

Place in the data's way: before station 2. Each field has a default and a text, which becomes the comment in
values.yaml. A setting that no template reads has no place here (a test looks).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Decimal = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$")]
Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]

Bytes = Annotated[str, Field(pattern=r"^([0-9]{1,15}((\.[0-9]{1,3})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi))?)?$")]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]


class Section(BaseModel):
    """Base of all sections: camelCase, nothing unknown."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True, extra="forbid"
    )


class Image(Section):
    """Full image references, as registry/name:tag or registry/name@sha256:digest."""

    operator: str = ""
    """Image of the operator. Required."""
    trainer: str = ""
    """Image of trainer pods whose TrainingJob names none. Required."""
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """imagePullPolicy of both."""
    pull_secrets: list[str] = []
    """Names of Secrets of the release's namespace that the operator's image is pulled with."""


class Trainer(Section):
    """Trainer pods whose TrainingJob says nothing; its own `spec.trainer` wins. An empty value sets nothing."""

    pull_secrets: list[ObjectName] = []
    """Names of Secrets that the image is pulled with. Each namespace with jobs must have its own."""
    runtime_class_name: str = ""
    """RuntimeClass, as nvidia."""
    ephemeral_storage: Bytes = ""
    """Request and limit of the node's disk, as 50Gi, at least 64Mi; bounds the caches too. Nodes must report theirs."""
    shared_memory: Bytes = ""
    """Size of /dev/shm, as 8Gi, at least 64Mi; it counts in the pod's memory, of which it gets at most half."""


class Database(Section):
    """The Postgres database of all jobs."""

    secret_name: str = ""
    """Secret of the release's namespace whose key `dsn` is the operator's login; it owns the schema `trainyard`.
    Required."""


class GpuPrice(Section):
    """One hour of one GPU."""

    product: Annotated[str, Field(min_length=1)]
    """Value of the node label nvidia.com/gpu.product."""
    instance_type: str | None = None
    """Value of the node label node.kubernetes.io/instance-type; absent: any."""
    capacity_type: Literal["on-demand", "spot"] | None = None
    """on-demand or spot; absent: any."""
    usd_per_gpu_hour: Annotated[Decimal, Field(alias="usdPerGPUHour")]
    """US dollars."""


class Prices(Section):
    """What a job pays, in US dollars as quoted decimals. The defaults are examples: put your own."""

    gpus: list[GpuPrice] = []
    """Prices of GPUs: {product, usdPerGPUHour, instanceType, capacityType}, of which the last two may be absent; the
    entry that matches in most members counts, of several the highest."""
    usd_per_core_hour: Decimal = "0.04"
    """One requested CPU core for an hour."""
    usd_per_gib_hour: Annotated[Decimal, Field(alias="usdPerGiBHour")] = "0.005"
    """One requested GiB of memory for an hour."""
    unknown_price: Literal["Refuse", "Allow"] = "Refuse"
    """Whether a job whose GPU has no price may start."""


class Crds(Section):
    """The CustomResourceDefinitions."""

    install: bool = True
    """Whether this release brings them. They stay, with all jobs, when it is uninstalled. Of two releases in one
    cluster only one may bring them."""


class AdmissionPolicy(Section):
    """Lets nobody hide a pod from its bill, or change a status but the operator, save its pod the progress."""

    enabled: bool = True
    """Whether the ValidatingAdmissionPolicies are installed. Without them whoever may patch a status may forge its
    bill, and whoever may patch a pod may hide it."""
    exempt_users: list[str] = []
    """Usernames that the policies don't hold, as system:serviceaccount:backup:velero for restores, or a queue manager
    that changes Jobs."""


class Operator(Section):
    """The operator's own pod."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least level that is logged."""
    log_format: Literal["json", "plain"] = "json"
    """Form of a log line."""
    tick_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    """Seconds between two looks at all jobs. A cost that only time has changed is written every 30 s."""
    keep_finished_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] = 86_400
    """Seconds that Job, pod and rights of a job that has ended are kept; the TrainingJob stays until it is deleted."""
    resources: dict[str, dict[str, Quantity]] = {
        "requests": {"cpu": "100m", "memory": "192Mi"},
        "limits": {"memory": "512Mi"},
    }
    """Requests and limits."""
    node_selector: dict[str, str] = {}
    """Node labels that it requires."""
    tolerations: list[dict[str, Any]] = []
    """Taints that it tolerates."""
    affinity: dict[str, Any] = {}
    """Affinity rules."""
    priority_class_name: str = ""
    """PriorityClass; empty: the cluster's default."""
    pod_annotations: dict[str, str] = {}
    """Annotations of the pod."""


class ServiceAccount(Section):
    """The operator's account; its name is the release's full name."""

    annotations: dict[str, str] = {}
    """Annotations."""


class ServiceMonitor(Section):
    """A ServiceMonitor for the Prometheus operator, whose CRDs must be there."""

    enabled: bool = False
    """Whether it is installed."""
    interval: Annotated[str, Field(pattern=r"^[0-9]+(s|m)$")] = "30s"
    """Time between two scrapes."""
    labels: dict[str, str] = {}
    """Labels by which a Prometheus finds it."""


class Metrics(Section):
    """Prometheus metrics, on port 9090 of the operator's pod at /metrics."""

    service: bool = True
    """Whether a Service leads to them."""
    service_monitor: ServiceMonitor = ServiceMonitor()


class NetworkPolicy(Section):
    """What may reach the operator, and what it may reach."""

    enabled: bool = False
    """Whether it is installed: in come health and metrics, out go DNS, the API server and the database."""
    api_server_ports: list[Annotated[int, Field(ge=1, le=65535)]] = [443, 6443]
    """Ports of the API server."""
    database_port: Annotated[int, Field(ge=1, le=65535)] = 5432
    """Port of the database."""


class Values(Section):
    """All values of the chart. A section's text is its class's."""

    image: Image = Image()
    trainer: Trainer = Trainer()
    database: Database = Database()
    prices: Prices = Prices()
    watch_namespaces: list[Namespace] = []
    """Namespaces whose jobs are run. Empty: all, with a ClusterRole. Otherwise the operator has rights in these alone,
    and none on nodes: then only prices by GPU product, core and GiB apply."""
    crds: Crds = Crds()
    admission_policy: AdmissionPolicy = AdmissionPolicy()
    operator: Operator = Operator()
    service_account: ServiceAccount = ServiceAccount()
    metrics: Metrics = Metrics()
    network_policy: NetworkPolicy = NetworkPolicy()
