# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Where the stand keeps its files and which ports, addresses and names it uses.

Every name that other software on the machine could also use (cgroup, bridges, ports, address ranges) is in this one
place.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

from .shell import StandError, output

KUBERNETES_VERSION = "v1.20.2"
AZURE_LABEL = "kubernetes.azure.com"


@dataclass(frozen=True)
class Layout:
    """Places, ports and address ranges of one stand.

    ``state`` must be a short path: the sockets of containers live below it and a Unix socket path has at most 107
    bytes.
    """

    state: Path = Path("/var/tmp/aks-stand")
    cache: Path = field(default_factory=lambda: Path.home() / ".cache" / "az-aks-seccomp")
    name: str = "aks-stand"
    bridge_prefix: str = "aksst"
    secure_port: int = 26443
    etcd_port: int = 22379
    kubelet_port: int = 21250
    fake_kubelet_port: int = 21200
    token_review_url: str = "https://localhost:18443/_stand/tokenreview"
    service_range: str = "10.242.0.0/16"
    service_address: str = "10.242.0.1"
    pod_range: str = "10.243.0.0/16"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def pid_files(self) -> Path:
        return self.state / "pid"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of a cluster administrator."""
        return self.state / "admin.kubeconfig"

    @property
    def record(self) -> Path:
        """What runs now: the shape that ``up`` was asked for and the images that the nodes have."""
        return self.state / "stand.json"

    @property
    def binaries(self) -> Path:
        """The four Kubernetes programs."""
        return self.cache / "kubernetes" / KUBERNETES_VERSION

    @property
    def build(self) -> Path:
        return self.cache / "kubernetes" / "build"

    @property
    def images(self) -> Path:
        return self.cache / "images"

    @property
    def newer_runtime(self) -> Path:
        """containerd and runc of newer Debian releases."""
        return self.cache / "runtime" / "newer"

    @property
    def cni_data(self) -> Path:
        """Address leases of the pods (CNI plugin host-local)."""
        return Path("/run") / f"cni-{self.name}"

    def node_directory(self, index: int) -> Path:
        return self.state / f"node{index}"

    def bridge(self, index: int) -> str:
        return f"{self.bridge_prefix}{index}"

    def pod_subnet(self, index: int) -> str:
        return self.pod_range.replace("0.0/16", f"{index}.0/24")


def pool_name(index: int) -> str:
    """Node pool of the node with this number, counted from 1: the odd ones are in ``nodepool1``, the even ones in
    ``nodepool2``.
    """
    return "nodepool1" if index % 2 else "nodepool2"


def node_name(index: int) -> str:
    """Name in the form of AKS: ``aks-<pool>-<number>-vmss<instance>``."""
    return f"aks-{pool_name(index)}-31415926-vmss{(index - 1) // 2:06d}"


def own_address() -> str:
    """IPv4 address of this machine: nodes need one that is not loopback, the kubelet refuses that.

    :raises StandError: the machine has no such address.
    """
    for interface in json.loads(output("ip", "-details", "-json", "-4", "address", "show", "scope", "global")):
        kind = interface.get("linkinfo", {}).get("info_kind", "")
        if kind in ("bridge", "veth") or "LOOPBACK" in interface.get("flags", []):
            continue
        for address in interface.get("addr_info", []):
            if "local" in address:
                return str(address["local"])
    raise StandError("this machine has no IPv4 address besides loopback; the kubelet needs one")
