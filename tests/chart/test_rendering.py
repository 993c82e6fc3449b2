"""Claims about the chart as helm renders it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from hack.generate.crd import KEEP
from tests.chart.rendering import CHART, ROOT, Values, flags, helm, objects, of_kind, pods, template
from trainyard_operator.money.prices import parse_prices
from trainyard_operator.settings import read_release_settings, read_settings

pytestmark = pytest.mark.integration

EVERYTHING: Values = {
    "watchNamespaces": ["team-a", "team-b"],
    "networkPolicy.enabled": True,
    "metrics.serviceMonitor.enabled": True,
    "operator.priorityClassName": "system",
    "image.pullSecrets": ["registry"],
    "trainer.pullSecrets": ["registry", "mirror.example"],
    "trainer.runtimeClassName": "nvidia",
    "trainer.ephemeralStorage": "50Gi",
    "trainer.sharedMemory": "8Gi",
}
MODES = {"cluster": {}, "namespaced": EVERYTHING}


@pytest.fixture(scope="module", params=MODES)
def rendered(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """All objects, with the defaults and with every option."""
    return objects(MODES[request.param])


@pytest.mark.parametrize("values", MODES.values(), ids=MODES)
def test_lint_is_clean(values: Values) -> None:
    """`helm lint --strict` finds nothing."""
    code, output = helm("lint", str(CHART), "--strict", *flags(values))
    assert code == 0, output


@pytest.mark.parametrize("name", ["image.operator", "image.trainer", "database.secretName"])
def test_required_value_is_asked_for(name: str) -> None:
    """Without a value that has no default, installing fails with one line that names it."""
    code, output = helm("template", str(CHART), "--kube-version", "1.36.3", *flags({name: ""}))
    assert code != 0
    assert f"{name}: must be set" in output


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"prices.usdPerCoreHour": 0.04}, "/prices/usdPerCoreHour"),
        ({"prices.usdPerCoreHour": "cheap"}, "/prices/usdPerCoreHour"),
        ({"prices.gpus": [{"product": "A100"}]}, "/prices/gpus/0"),
        ({"prices.gpus": [{"product": "A100", "usdPerGPUHour": "1", "region": "eu"}]}, "/prices/gpus/0"),
        ({"prices.unknownPrice": "Ignore"}, "/prices/unknownPrice"),
        ({"watchNamespaces": "team-a"}, "/watchNamespaces"),
        ({"watchNamespaces": ["Team_A"]}, "/watchNamespaces/0"),
        ({"operator.logLevel": "LOUD"}, "/operator/logLevel"),
        ({"operator.tickSeconds": 0}, "/operator/tickSeconds"),
        ({"operator.resources": {"requests": {"cpu": "many"}}}, "/operator/resources/requests/cpu"),
        ({"image.pullPolicy": "Sometimes"}, "/image/pullPolicy"),
        ({"trainer.sharedMemory": "lots"}, "/trainer/sharedMemory"),
        ({"trainer.ephemeralStorage": 50}, "/trainer/ephemeralStorage"),
        ({"trainer.pullSecrets": ["a,b"]}, "/trainer/pullSecrets/0"),
        ({"crds.install": "no"}, "/crds/install"),
        ({"metrics.serviceMonitor.interval": "often"}, "/metrics/serviceMonitor/interval"),
        ({"networkPolicy.databasePort": 70000}, "/networkPolicy/databasePort"),
        ({"databse": {}}, "databse"),
        ({"admissionPolicy.enable": True}, "enable"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_bad_value_is_refused(values: Values, named: str) -> None:
    """A misspelt or malformed value is refused by the schema, by name."""
    code, output = helm("template", str(CHART), "--kube-version", "1.36.3", *flags(values))
    assert code != 0
    assert named in output, output


def test_values_of_a_parent_chart_are_taken() -> None:
    """A chart that depends on this one may have globals."""
    template({"global.team": "a"})


def test_pods_are_restricted(rendered: list[dict[str, Any]]) -> None:
    """No pod runs as root, writes its root file system, keeps a capability or lacks a memory limit."""
    specs = pods(rendered)
    assert len(specs) == 2
    for spec in specs:
        security = spec["securityContext"]
        assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 65532)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
            assert writable == ["/cache"]


def test_no_secret_in_an_environment(rendered: list[dict[str, Any]]) -> None:
    """The database login is a file; no variable comes from a Secret."""
    for spec in pods(rendered):
        assert all("valueFrom" not in variable for variable in spec["containers"][0]["env"])


def test_operator_understands_its_environment(rendered: list[dict[str, Any]]) -> None:
    """What the chart sets is what the operator reads: its own settings accept all variables, and know each name."""
    deployment, release = (
        {variable["name"]: variable["value"] for variable in spec["containers"][0]["env"]}
        for spec in (pods(of_kind(rendered, "Deployment"))[0], pods(of_kind(rendered, "Job"))[0])
    )
    settings, released = read_settings(deployment), read_release_settings(release)
    assert settings.watch_namespaces == released.watch_namespaces
    assert settings.read_nodes == (not settings.watch_namespaces)
    pods_say_more = bool(settings.watch_namespaces)
    assert settings.trainer_pull_secrets == (("registry", "mirror.example") if pods_say_more else ())
    assert settings.trainer_runtime_class == ("nvidia" if pods_say_more else "")
    assert settings.trainer_ephemeral_storage == ("50Gi" if pods_say_more else "")
    assert settings.trainer_shared_memory == ("8Gi" if pods_say_more else "")
    assert released.operator_deployment == of_kind(rendered, "Deployment")[0]["metadata"]["name"]
    source = (ROOT / "operator/trainyard_operator/settings.py").read_text()
    assert all(name in source for name in deployment)


def test_probes_reach_a_named_port(rendered: list[dict[str, Any]]) -> None:
    """Start, liveness and readiness are asked of the health port."""
    container = pods(of_kind(rendered, "Deployment"))[0]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in ports


def test_one_operator_at_a_time(rendered: list[dict[str, Any]]) -> None:
    """An upgrade ends the old operator before it starts the new one."""
    spec = of_kind(rendered, "Deployment")[0]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_rights_are_named(rendered: list[dict[str, Any]]) -> None:
    """No rule has a wildcard, and none is about Secrets."""
    roles = [*of_kind(rendered, "ClusterRole"), *of_kind(rendered, "Role")]
    assert roles
    for rule in (rule for role in roles for rule in role["rules"]):
        words = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert not any("*" in word for word in words), rule
        assert not any("secret" in resource for resource in rule["resources"]), rule


def test_namespaced_mode_asks_nothing_of_the_cluster() -> None:
    """With watchNamespaces there is one Role per namespace, no ClusterRole but the break-glass that nobody is bound to,
    and no rule on nodes.
    """
    bodies = objects(EVERYTHING)
    (role,) = of_kind(bodies, "ClusterRole")
    assert role["rules"] == [{"apiGroups": ["trainyard.dev"], "resources": ["trainingjobs"], "verbs": ["override"]}]
    assert not of_kind(objects(EVERYTHING | {"admissionPolicy.enabled": False}), "ClusterRole")
    assert not of_kind(bodies, "ClusterRoleBinding")
    roles = [role for role in of_kind(bodies, "Role") if not role["metadata"]["name"].endswith("-release")]
    assert [role["metadata"]["namespace"] for role in roles] == ["team-a", "team-b"]
    assert not any("nodes" in rule["resources"] for role in roles for rule in role["rules"])


def test_definitions_are_those_of_the_contract() -> None:
    """The chart's CustomResourceDefinitions are crds/*.yaml plus the annotation that keeps them."""
    for found in of_kind(objects(), "CustomResourceDefinition"):
        plural = found["spec"]["names"]["plural"]
        expected = yaml.safe_load((ROOT / f"crds/trainyard.dev_{plural}.yaml").read_text())
        expected["metadata"]["annotations"] = KEEP
        assert expected == found
    assert not of_kind(objects({"crds.install": False}), "CustomResourceDefinition")


def test_price_table_is_what_the_operator_reads() -> None:
    """The operator's own parser takes the table, and a changed price restarts the operator."""
    gpus = [{"product": "A100", "usdPerGPUHour": "1.10", "capacityType": "spot"}]
    bodies = objects({"prices.gpus": gpus})
    table = parse_prices(of_kind(bodies, "ConfigMap")[0]["data"]["prices.yaml"])
    assert [(gpu.product, str(gpu.usd_per_gpu_hour), gpu.capacity_type) for gpu in table.gpus] == [
        ("A100", "1.10", "spot")
    ]
    before, after = (
        of_kind(each, "Deployment")[0]["spec"]["template"]["metadata"]["annotations"]["checksum/prices"]
        for each in (objects(), bodies)
    )
    assert before != after


def test_two_releases_do_not_collide() -> None:
    """Objects without a namespace, or in a watched one, are named by the release's namespace too; all names fit."""
    values = {"watchNamespaces": ["team-a"], "crds.install": False}
    one, two = (
        {(body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]) for body in objects(v, **where)}
        for v, where in ((values, {"namespace": "one"}), (values, {"namespace": "two"}))
    )
    assert not one & two
    long = objects(release="r" * 53, namespace="n" * 63)
    assert all(len(body["metadata"]["name"]) <= 63 for body in long)


def test_policies_are_all_or_none() -> None:
    """Each policy has its binding, which denies; without them there is neither, nor a break-glass."""
    bodies = objects()
    policies = {body["metadata"]["name"] for body in of_kind(bodies, "ValidatingAdmissionPolicy")}
    bindings = {
        body["spec"]["policyName"]: body["spec"] for body in of_kind(bodies, "ValidatingAdmissionPolicyBinding")
    }
    assert policies == set(bindings)
    assert all(binding["validationActions"] == ["Deny"] for binding in bindings.values())
    without = objects({"admissionPolicy.enabled": False})
    assert not [body for body in without if body["kind"].startswith("ValidatingAdmission")]
    assert not [body for body in without if body["metadata"]["name"].endswith("-override")]


def test_hook_waits_and_goes(rendered: list[dict[str, Any]]) -> None:
    """Before the release is deleted a Job releases the finalizers; it has a deadline and is removed."""
    annotations = of_kind(rendered, "Job")[0]["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-delete"
    assert "hook-succeeded" in annotations["helm.sh/hook-delete-policy"]
    assert of_kind(rendered, "Job")[0]["spec"]["activeDeadlineSeconds"] > 0
    assert pods(of_kind(rendered, "Job"))[0]["containers"][0]["args"] == ["release"]
