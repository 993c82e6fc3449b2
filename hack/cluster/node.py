"""The one node: scheduler, kubelet, kube-proxy and the cluster's name server, all processes of this machine.

Says how each is configured; starting and stopping is `local`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hack.cluster import layout, network
from hack.cluster.api import Api, http_ok
from hack.cluster.component import Component, write_if_changed
from hack.cluster.controlplane import Identities, Settings, serving_flags

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTROLLERS_PORT = 10257
_SCHEDULER_PORT = 10259
_KUBELET_HEALTH_PORT = 10248
_PROXY_HEALTH_PORT = 10256
_PROXY_METRICS_PORT = 10249


def scheduler(settings: Settings, identities: Identities) -> Component:
    """Describes kube-scheduler."""
    kubeconfig = identities.kubeconfig("scheduler", "system:kube-scheduler")
    argv = (
        str(settings.bin / "kube-scheduler"),
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        f"--secure-port={_SCHEDULER_PORT}",
        *serving_flags(settings, identities, _SCHEDULER_PORT),
    )
    api = identities.api(f"https://{settings.address}:{_SCHEDULER_PORT}")
    return Component("kube-scheduler", argv, lambda: api.answers("/healthz"))


def kubelet(settings: Settings, identities: Identities) -> Component:
    """Describes the kubelet, for cgroup v1 and v2, without systemd."""
    folder = settings.directory / "kubelet"
    config = settings.directory / "kubelet.yaml"
    write_if_changed(config, yaml.safe_dump(_kubelet_configuration(settings, identities, folder)))
    kubeconfig = identities.kubeconfig("kubelet", f"system:node:{layout.NODE}", "system:nodes")
    argv = (
        str(settings.bin / "kubelet"),
        f"--config={config}",
        f"--kubeconfig={kubeconfig}",
        f"--root-dir={folder}",
        f"--cert-dir={folder}/pki",
        f"--node-ip={settings.address}",
        f"--hostname-override={layout.NODE}",
    )
    api = identities.api()

    def healthy() -> bool:
        return http_ok(f"http://{settings.address}:{_KUBELET_HEALTH_PORT}/healthz") and _node_ready(api)

    return Component("kubelet", argv, healthy)


def proxy(settings: Settings, identities: Identities) -> Component:
    """Describes kube-proxy, which makes Service addresses reachable from pods and from this machine."""
    config = settings.directory / "kube-proxy.yaml"
    kubeconfig = identities.kubeconfig("kube-proxy", "system:kube-proxy")
    content = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "hostnameOverride": layout.NODE,
        "clusterCIDR": layout.POD_CIDR,
        "healthzBindAddress": f"{settings.address}:{_PROXY_HEALTH_PORT}",
        "metricsBindAddress": f"{settings.address}:{_PROXY_METRICS_PORT}",
        "nodePortAddresses": [f"{settings.address}/32"],
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0},  # the machine's own setting stays
        # Pods share one bridge: without it the reply to a Service's call would come back past the rule that undoes
        # the translation.
        "nftables": {"masqueradeAll": True, "minSyncPeriod": "200ms"},
    }
    write_if_changed(config, yaml.safe_dump(content))
    argv = (str(settings.bin / "kube-proxy"), f"--config={config}")
    health = f"http://{settings.address}:{_PROXY_HEALTH_PORT}/livez"  # /healthz waits for the node
    return Component("kube-proxy", argv, lambda: http_ok(health))


def nameserver(settings: Settings, identities: Identities) -> Component:
    """Describes CoreDNS on the bridge's address; it forwards other names to the machine's name servers where it has
    any.
    """
    kubeconfig = identities.kubeconfig("coredns", "system:coredns")
    corefile = settings.directory / "Corefile"
    write_if_changed(corefile, _corefile(settings.address, kubeconfig, Path("/etc/resolv.conf")))
    argv = (str(settings.bin / "coredns"), f"-conf={corefile}")
    name = f"kubernetes.default.svc.{layout.CLUSTER_DOMAIN}"
    return Component("coredns", argv, lambda: network.resolves(name, settings.address))


def grant_rights(api: Api) -> None:
    """Grants the rights that the components need beyond those of every API server."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    watch = ["list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["services", "namespaces", "pods", "endpoints"], "verbs": watch},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": watch},
    ]
    api.create(f"{rbac}/clusterroles", {"metadata": {"name": "system:coredns"}, "rules": rules})
    api.create(f"{rbac}/clusterrolebindings", _binding("system:coredns", "system:coredns"))
    api.create(f"{rbac}/clusterrolebindings", _binding("apiserver-kubelet-client", "system:kubelet-api-admin"))


def _binding(user: str, role: str) -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return {
        "metadata": {"name": user},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }


def _node_ready(api: Api) -> bool:
    try:
        found = api.get(f"/api/v1/nodes/{layout.NODE}")
    except OSError:
        return False
    conditions: Sequence[dict[str, str]] = found.get("status", {}).get("conditions", []) if found else []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _kubelet_configuration(settings: Settings, identities: Identities, folder: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": settings.address,
        "healthzBindAddress": settings.address,
        "healthzPort": _KUBELET_HEALTH_PORT,
        "readOnlyPort": 0,
        "tlsCertFile": str(identities.serving.certificate),
        "tlsPrivateKeyFile": str(identities.serving.key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(identities.authority.pair.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket()}",
        "clusterDNS": [settings.address],
        "clusterDomain": layout.CLUSTER_DOMAIN,
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "cgroupRoot": f"/{layout.CGROUP}",
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "podLogsDir": str(folder / "logs"),
        "volumePluginDir": str(folder / "volume-plugins"),
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        # Absolute, because a developer's disk is often nearly full and yet has room.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "2Gi", "imagefs.available": "2Gi"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
        "shutdownGracePeriod": "0s",
    }


def _corefile(address: str, kubeconfig: Path, resolver: Path) -> str:
    lines = resolver.read_text().splitlines() if resolver.exists() else []
    forward = f"forward . {resolver}" if any(line.startswith("nameserver") for line in lines) else ""
    return f""".:53 {{
    bind {address}
    errors
    kubernetes {layout.CLUSTER_DOMAIN} in-addr.arpa {{
        kubeconfig {kubeconfig} {layout.CONTEXT}
        pods insecure
        ttl 2
        fallthrough in-addr.arpa
    }}
    {forward}
    cache {{
        success 4096 2
        denial 4096 1
    }}
}}
"""
