# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""etcd, API server, controller manager and scheduler, on loopback and this machine's own address."""

import socket
from collections.abc import Sequence

from . import pki
from .daemons import Daemons
from .layout import Layout
from .shell import StandError, run

ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER = "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"
PROGRAMS = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER)


class ControlPlane:
    def __init__(self, layout: Layout, daemons: Daemons, address: str) -> None:
        self._layout = layout
        self._daemons = daemons
        self._address = address

    def create_identities(self) -> None:
        """Certificates, keys and kubeconfigs of a new cluster."""
        layout = self._layout
        names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        addresses = ["127.0.0.1", self._address, layout.service_address]
        alternative = ",".join([*(f"DNS:{name}" for name in names), *(f"IP:{address}" for address in addresses)])
        pki.issue(layout, "apiserver", "/CN=kube-apiserver", alternative)
        pki.issue(layout, "apiserver-kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client")
        pki.service_account_keys(layout)
        for user, subject in (
            ("admin", "/O=system:masters/CN=clusterAdmin"),
            ("controller-manager", "/CN=system:kube-controller-manager"),
            ("scheduler", "/CN=system:kube-scheduler"),
        ):
            pki.write_kubeconfig(layout, layout.state / f"{user}.kubeconfig", user, pki.issue(layout, user, subject))
        pki.write_token_review_config(layout, layout.state / "token-review.kubeconfig")

    def start(self) -> None:
        """Start all four and wait until the API server is ready."""
        self._start_etcd()
        self.start_api_server()
        self.start_controller_manager()
        self._start_scheduler()

    def ready(self) -> bool:
        kubeconfig = self._layout.kubeconfig
        return (
            run(
                "kubectl", "--kubeconfig", kubeconfig, "get", "--raw", "/readyz", "--request-timeout=10s", check=False
            ).returncode
            == 0
        )

    def start_api_server(self) -> None:
        """Start it and wait until it is ready (also used after a test has ended it)."""
        layout = self._layout
        files = layout.pki
        self._daemons.start(
            API_SERVER, layout.binaries / API_SERVER, "--v=1",
            f"--etcd-servers=http://127.0.0.1:{layout.etcd_port}",
            "--bind-address=0.0.0.0", f"--advertise-address={self._address}", f"--secure-port={layout.secure_port}",
            f"--tls-cert-file={files / 'apiserver.crt'}", f"--tls-private-key-file={files / 'apiserver.key'}",
            f"--client-ca-file={files / 'ca.crt'}",
            f"--kubelet-client-certificate={files / 'apiserver-kubelet-client.crt'}",
            f"--kubelet-client-key={files / 'apiserver-kubelet-client.key'}",
            f"--kubelet-certificate-authority={files / 'ca.crt'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={files / 'service-account.pub'}",
            f"--service-account-signing-key-file={files / 'service-account.key'}",
            f"--service-cluster-ip-range={layout.service_range}",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            # bearer tokens of the fake Entra; short times, so that a test sees a revoked or new token at once
            f"--authentication-token-webhook-config-file={layout.state / 'token-review.kubeconfig'}",
            "--authentication-token-webhook-version=v1", "--authentication-token-webhook-cache-ttl=1s",
            "--allow-privileged=true", "--profiling=false", "--event-ttl=1h",
            "--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000",
        )  # fmt: skip
        self._daemons.wait_ready(API_SERVER, self.ready, 120)

    def start_controller_manager(self, more: Sequence[str] = ()) -> None:
        """:param more: further arguments."""
        layout = self._layout
        files = layout.pki
        self._daemons.start(
            CONTROLLER_MANAGER, layout.binaries / CONTROLLER_MANAGER, "--v=1", *self._client("controller-manager"),
            "--bind-address=127.0.0.1", f"--secure-port={layout.secure_port + 1}", "--port=0",
            f"--root-ca-file={files / 'ca.crt'}", f"--service-account-private-key-file={files / 'service-account.key'}",
            f"--cluster-signing-cert-file={files / 'ca.crt'}", f"--cluster-signing-key-file={files / 'ca.key'}",
            "--use-service-account-credentials=true", "--leader-elect=false",
            "--kube-api-qps=500", "--kube-api-burst=1000",
            f"--cert-dir={layout.state / 'controller-manager'}", *more,
        )  # fmt: skip

    def _start_scheduler(self) -> None:
        layout = self._layout
        self._daemons.start(
            SCHEDULER, layout.binaries / SCHEDULER, "--v=1", *self._client("scheduler"),
            "--bind-address=127.0.0.1", f"--secure-port={layout.secure_port + 2}", "--port=0",
            "--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000",
            f"--cert-dir={layout.state / 'scheduler'}",
        )  # fmt: skip

    def _start_etcd(self) -> None:
        layout = self._layout
        client, peer = (f"http://127.0.0.1:{port}" for port in (layout.etcd_port, layout.etcd_port + 1))
        self._daemons.start(
            ETCD, ETCD, "--name", layout.name, "--data-dir", layout.state / "etcd",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"{layout.name}={peer}",
            "--auto-compaction-mode", "periodic", "--auto-compaction-retention", "10m",
            "--quota-backend-bytes", str(4 << 30),
        )  # fmt: skip
        self._daemons.wait_ready(ETCD, lambda: _listens(layout.etcd_port), 60)

    def _client(self, user: str) -> list[str]:
        kubeconfig = self._layout.state / f"{user}.kubeconfig"
        return [
            f"--{kind}={kubeconfig}" for kind in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
        ]


def ports_in_use(layout: Layout) -> list[int]:
    """Ports of the control plane on which something listens already."""
    return [
        port
        for port in (layout.secure_port, layout.secure_port + 1, layout.secure_port + 2, layout.etcd_port)
        if _listens(port)
    ]


def require_free_ports(layout: Layout) -> None:
    """:raises StandError: something else holds a port of the stand."""
    taken = ports_in_use(layout)
    if taken:
        raise StandError(f"port {', '.join(map(str, taken))} on loopback is in use by another program")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
