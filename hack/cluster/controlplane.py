"""A control plane: etcd, kube-apiserver, kube-controller-manager, with real certificates and RBAC.

The node's cluster puts its node beside one; integration tests take one alone, through `control_plane`, ready in seconds
and independent of every other. Starts no scheduler and no kubelet.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from hack.cluster import binaries, certs, layout, processes
from hack.cluster.api import Api
from hack.cluster.component import Component, Host, write_if_changed

if TYPE_CHECKING:
    from collections.abc import Iterator

_MUTATING = ["create", "update", "patch", "delete", "deletecollection"]


@dataclass(frozen=True)
class Settings:
    """Where a control plane lives and listens."""

    directory: Path
    bin: Path
    address: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    service_cidr: str = layout.SERVICE_CIDR
    service_address: str = layout.SERVICE_CIDR.replace(".0/22", ".1")
    """The address of the Service `kubernetes`: the first of the range."""
    advertise: bool = False
    """Whether pods shall reach it: then the address must not be a loopback one."""

    @property
    def server(self) -> str:
        """Returns the API server's URL."""
        return f"https://{self.address}:{self.api_port}"

    @property
    def pki(self) -> Path:
        """Returns the folder of certificates."""
        return self.directory / "pki"


class Identities:
    """All certificates and kubeconfigs of one control plane, made on first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.authority = certs.Authority(settings.pki)
        self.signing = certs.signing_key(settings.pki)
        self.etcd = self.authority.issue("etcd", "etcd", hosts=[settings.address, "localhost"])
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        self.apiserver = self.authority.issue(
            "kube-apiserver",
            "kube-apiserver",
            hosts=[
                settings.address,
                settings.service_address,
                "localhost",
                *names,
                f"{names[-1]}.{layout.CLUSTER_DOMAIN}",
            ],
        )
        self.kubelet_client = self.authority.issue("apiserver-kubelet-client", "apiserver-kubelet-client")
        # Serves the health endpoints of every component that binds the same address.
        self.serving = self.authority.issue("serving", "serving", hosts=[settings.address, layout.NODE])
        self.admin = self.authority.issue("admin", "admin", groups=["system:masters"])

    def kubeconfig(self, file: str, user: str, *groups: str) -> Path:
        """Writes the kubeconfig of a component, in the control plane's folder."""
        path = self._settings.directory / f"{file}.kubeconfig"
        pair = self.authority.issue(file, user, groups=groups)
        return self.authority.kubeconfig(path, self._settings.server, pair, context=layout.CONTEXT)

    def admin_kubeconfig(self) -> Path:
        """Writes the kubeconfig of the one who may do everything."""
        path = self._settings.directory / "kubeconfig"
        return self.authority.kubeconfig(path, self._settings.server, self.admin, context=layout.CONTEXT)

    def api(self, server: str | None = None) -> Api:
        """Makes a client with the admin's certificate."""
        return Api(server or self._settings.server, self.authority, self.admin)


def etcd(settings: Settings, identities: Identities) -> Component:
    """Describes the store, which forgets the last seconds if the machine loses power."""
    pair, authority = identities.etcd, str(identities.authority.pair.certificate)
    client, peer = (f"https://{settings.address}:{port}" for port in (settings.etcd_port, settings.etcd_peer_port))
    argv = (
        str(settings.bin / "etcd"),
        "--name=default",
        f"--data-dir={settings.directory / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        f"--trusted-ca-file={authority}",
        "--client-cert-auth",
        f"--peer-cert-file={pair.certificate}",
        f"--peer-key-file={pair.key}",
        f"--peer-trusted-ca-file={authority}",
        "--peer-client-cert-auth",
        "--log-level=warn",
    )
    api = Api(client, identities.authority, pair)
    return Component("etcd", argv, lambda: api.answers("/readyz"))


def apiserver(settings: Settings, identities: Identities) -> Component:
    """Describes the API server; its audit log names every write."""
    directory = settings.directory
    policy = directory / "audit-policy.yaml"
    rules = [{"level": "Metadata", "verbs": _MUTATING}, {"level": "None"}]
    content = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
    write_if_changed(policy, yaml.safe_dump(content))
    argv = (
        str(settings.bin / "kube-apiserver"),
        f"--bind-address={settings.address}",
        f"--secure-port={settings.api_port}",
        f"--advertise-address={settings.address}",
        # A loopback address can't be an endpoint; without pods nobody needs one.
        f"--endpoint-reconciler-type={'lease' if settings.advertise else 'none'}",
        f"--etcd-servers=https://{settings.address}:{settings.etcd_port}",
        f"--etcd-cafile={identities.authority.pair.certificate}",
        f"--etcd-certfile={identities.etcd.certificate}",
        f"--etcd-keyfile={identities.etcd.key}",
        f"--tls-cert-file={identities.apiserver.certificate}",
        f"--tls-private-key-file={identities.apiserver.key}",
        f"--client-ca-file={identities.authority.pair.certificate}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-certificate-authority={identities.authority.pair.certificate}",
        f"--kubelet-client-certificate={identities.kubelet_client.certificate}",
        f"--kubelet-client-key={identities.kubelet_client.key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-cluster-ip-range={settings.service_cidr}",
        f"--service-account-issuer=https://kubernetes.default.svc.{layout.CLUSTER_DOMAIN}",
        f"--service-account-key-file={identities.signing.certificate}",
        f"--service-account-signing-key-file={identities.signing.key}",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={directory / 'logs' / 'audit.log'}",
        "--audit-log-maxsize=100",
        "--audit-log-maxbackup=1",
        "--allow-privileged",
        f"--cert-dir={settings.pki}",
    )
    api = identities.api()
    return Component("kube-apiserver", argv, lambda: api.answers("/readyz"))


def controller_manager(
    settings: Settings, identities: Identities, *, port: int = 0, default_limits: bool = False
) -> Component:
    """Describes all controllers: garbage collection, Jobs, service accounts, namespaces and the rest.

    Args:
        settings: of the control plane.
        identities: of the control plane.
        port: where it serves its health; 0: nowhere, then it is healthy once it has made the first service account.
        default_limits: whether it asks no more often than by its defaults, 20 requests a second.
    """
    kubeconfig = identities.kubeconfig("controller-manager", "system:kube-controller-manager")
    ca = identities.authority.pair
    argv = (
        str(settings.bin / "kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--root-ca-file={ca.certificate}",
        f"--service-account-private-key-file={identities.signing.key}",
        f"--cluster-signing-cert-file={ca.certificate}",
        f"--cluster-signing-key-file={ca.key}",
        # Its default, 20 requests a second, would be what tests with many jobs measure.
        *(() if default_limits else ("--kube-api-qps=500", "--kube-api-burst=1000", "--concurrent-job-syncs=10")),
        # A pod that is gone with its node shouldn't hold up a test for the default five minutes.
        "--node-monitor-grace-period=20s",
        f"--secure-port={port}",
        *serving_flags(settings, identities, port),
    )
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    api, own = identities.api(), identities.api(f"https://{settings.address}:{port}")
    return Component(
        "kube-controller-manager",
        argv,
        lambda: (own.answers("/healthz") if port else True) and _exists(api, account),
    )


def serving_flags(settings: Settings, identities: Identities, port: int) -> tuple[str, ...]:
    """Returns the flags with which a component serves its health port."""
    if not port:
        return ()
    return (
        f"--bind-address={settings.address}",
        f"--tls-cert-file={identities.serving.certificate}",
        f"--tls-private-key-file={identities.serving.key}",
        f"--authentication-kubeconfig={settings.directory / 'controller-manager.kubeconfig'}",
        f"--authorization-kubeconfig={settings.directory / 'controller-manager.kubeconfig'}",
    )


class ControlPlane:
    """A running control plane without nodes."""

    def __init__(self, kubeconfig: Path, server: str, pids: Path) -> None:
        self.kubeconfig = kubeconfig
        self.server = server
        self._pids = pids

    def stop(self) -> None:
        """Ends it at once; what it stored stays in its directory. May be called again."""
        # Store last: an API server without one lingers. No grace: nothing is worth keeping.
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            processes.stop(self._pids, name, grace=0)


@contextlib.contextmanager
def control_plane(directory: Path, *, controllers: bool = True, default_limits: bool = False) -> Iterator[ControlPlane]:
    """Starts a fresh control plane on free ports of 127.0.0.1, ready in about 3 s, gone with the block.

    It also ends when the thread that made it ends, however that happens.

    Args:
        directory: empty; holds certificates, kubeconfig, logs and the store.
        controllers: whether to run kube-controller-manager; without it nothing owned is collected, no Job makes pods
            and no namespace gets a service account.
        default_limits: whether that asks no more often than by its defaults, 20 requests a second.

    Raises:
        ClusterError: it did not come up; names the log.
    """
    programs = binaries.ensure(["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"])
    api_port, etcd_port, peer_port = _free_ports(3)
    directory = directory.absolute()
    settings = Settings(directory, programs, "127.0.0.1", api_port, etcd_port, peer_port)
    identities = Identities(settings)
    host = Host(directory / "pids", directory / "logs", tied=True)
    plane = ControlPlane(identities.admin_kubeconfig(), settings.server, host.pids)
    try:
        host.up([etcd(settings, identities)], quiet=True)
        host.up([apiserver(settings, identities)], quiet=True)
        if controllers:
            host.up([controller_manager(settings, identities, default_limits=default_limits)], quiet=True)
        yield plane
    finally:
        plane.stop()


def _exists(api: Api, path: str) -> bool:
    try:
        return api.get(path) is not None
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    # All held open together, so that no number is handed out twice.
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
