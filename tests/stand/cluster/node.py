# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One node: a containerd and a kubelet that see directories of their own.

Both run in a mount namespace in which ``/var/lib/kubelet``, ``/var/lib/containerd``, ``/run/containerd`` and the like
are this node's directories. So each node has its own ``/var/lib/kubelet/seccomp``, a hostPath volume is the node's,
and all mounts vanish with the processes. Nodes share the machine's network, process ids and kernel.
"""

import json
from pathlib import Path

from . import pki
from .cgroups import ControlGroups
from .daemons import Daemons
from .images import PAUSE
from .layout import AZURE_LABEL, Layout, node_name, pool_name
from .network import Network
from .runtimes import Runtime, of_node
from .shell import run

SOCKET = "/run/containerd/containerd.sock"
# directory of the node below its state directory -> what the node sees it as
OWN_DIRECTORIES = {
    "kubelet": "/var/lib/kubelet",
    "containerd": "/var/lib/containerd",
    "run": "/run/containerd",
    "cni": "/etc/cni/net.d",
    "pods": "/var/log/pods",
    "containers": "/var/log/containers",
    "cnilib": "/var/lib/cni",
}
ENTER = """
mount --make-rshared /
directory=$1; shift
while [ "$1" != -- ]; do
    mkdir -p "$2"; mount --bind "$directory/$1" "$2"; mount --make-shared "$2"; shift 2
done
shift
mkdir -p /run/netns; mount -t tmpfs netns /run/netns; mount --make-shared /run/netns
exec "$@"
"""


class Node:
    def __init__(self, layout: Layout, daemons: Daemons, groups: ControlGroups, address: str, index: int) -> None:
        """:param index: number of the node, counted from 1."""
        self._layout = layout
        self._daemons = daemons
        self._groups = groups
        self._address = address
        self._runtime: Runtime = of_node(layout, index)
        self.index = index
        self.name = node_name(index)
        self.directory = layout.node_directory(index)

    @property
    def containerd(self) -> str:
        """Name of this node's containerd among the daemons."""
        return f"node{self.index}-containerd"

    @property
    def kubelet(self) -> str:
        """Name of this node's kubelet among the daemons."""
        return f"node{self.index}-kubelet"

    def start_containerd(self, network: Network) -> None:
        """Make the node's directories and start its containerd in them."""
        self._groups.create(f"node{self.index}")
        for name in OWN_DIRECTORIES:
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "kubelet" / "seccomp").mkdir(exist_ok=True)
        (self.directory / "cni" / "10-stand.conflist").write_text(network.plugin_configuration(self.index))
        configuration = self.directory / "containerd.toml"
        configuration.write_text(CONTAINERD_CONFIGURATION.format(pause=PAUSE, runc=self._runtime.runc, socket=SOCKET))
        binds = [part for pair in OWN_DIRECTORIES.items() for part in pair]
        self._daemons.start(
            self.containerd, "unshare", "--mount", "--propagation", "private",
            "sh", "-euc", ENTER, "node", self.directory, *binds, "--",
            self._runtime.containerd, "--config", configuration, "--log-level", "info", env=self._runtime.environment,
        )  # fmt: skip

    def wait_for_containerd(self) -> None:
        self._daemons.wait_ready(self.containerd, lambda: self.execute(*self._ctr("version"), check=False)[0] == 0, 60)

    def import_image(self, archive: Path) -> None:
        """Give the node an image from an OCI archive."""
        self.execute(*self._ctr("-n", "k8s.io", "images", "import", "--no-unpack", str(archive)))

    def create_identity(self) -> None:
        """Certificate and kubeconfig of the kubelet."""
        subject = f"/O=system:nodes/CN=system:node:{self.name}"
        identity = pki.issue(self._layout, f"node{self.index}", subject, f"IP:{self._address},DNS:{self.name}")
        pki.write_kubeconfig(self._layout, self.directory / "kubelet.kubeconfig", self.name, identity)

    def start_kubelet(self) -> None:
        configuration = self.directory / "kubelet.json"
        configuration.write_text(json.dumps(self._kubelet_configuration(), indent=1))
        labels = ",".join(f"{key}={value}" for key, value in self._labels().items())
        self._daemons.start(
            self.kubelet, *self._enter(),
            # the kubelet of this version asks the EC2 metadata address for registry credentials unless told not to
            "env", "AWS_EC2_METADATA_DISABLED=true", self._layout.binaries / "kubelet", "--v=1",
            f"--config={configuration}", f"--kubeconfig={self.directory / 'kubelet.kubeconfig'}",
            "--container-runtime=remote", f"--container-runtime-endpoint=unix://{SOCKET}",
            f"--hostname-override={self.name}", f"--node-ip={self._address}", "--root-dir=/var/lib/kubelet",
            f"--cert-dir={self.directory / 'kubelet-pki'}", f"--node-labels={labels}", env=self._runtime.environment,
        )  # fmt: skip

    def stop_kubelet(self, *, kill: bool = False) -> None:
        """:param kill: as a crash would; the node becomes NotReady 40 s later."""
        self._daemons.stop(self.kubelet, kill=kill)

    def running(self) -> bool:
        return None not in (self._daemons.pid(self.containerd), self._daemons.pid(self.kubelet))

    def execute(self, *argv: str, stdin: bytes | None = None, check: bool = True) -> tuple[int, bytes, bytes]:
        """Run a program that sees the node's directories; returns exit code, stdout, stderr.

        :raises StandError: it failed and ``check`` is set.
        """
        done = run(*self._enter(), *argv, stdin=stdin, check=check, env=self._runtime.environment)
        return done.returncode, done.stdout, done.stderr

    def _enter(self) -> list[str]:
        return ["nsenter", "--target", str(self._daemons.pid(self.containerd)), "--mount", "--"]

    def _ctr(self, *argv: str) -> list[str]:
        return [str(self._runtime.ctr), "--address", SOCKET, *argv]

    def _labels(self) -> dict[str, str]:
        """As AKS sets them; the kubelet adds hostname, os and arch."""
        pool = pool_name(self.index)
        return {
            "agentpool": pool,
            f"{AZURE_LABEL}/agentpool": pool,
            f"{AZURE_LABEL}/cluster": "MC_stand_demo_westeurope",
            f"{AZURE_LABEL}/mode": "system" if self.index % 2 else "user",
            f"{AZURE_LABEL}/os-sku": "Ubuntu",
            f"{AZURE_LABEL}/role": "agent",
        }

    def _kubelet_configuration(self) -> dict[str, object]:
        files, port = self._layout.pki, self._layout.kubelet_port + 2 * self.index
        return {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "address": self._address,
            "port": port,
            "healthzBindAddress": "127.0.0.1",
            "healthzPort": port + 1,
            "readOnlyPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(files / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(files / f"node{self.index}.crt"),
            "tlsPrivateKeyFile": str(files / f"node{self.index}.key"),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._groups.name}/node{self.index}",
            "enforceNodeAllocatable": ["pods"],
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "evictionHard": {
                "memory.available": "0%",
                "nodefs.available": "0%",
                "nodefs.inodesFree": "0%",
                "imagefs.available": "0%",
            },
            "imageGCHighThresholdPercent": 100,
            "makeIPTablesUtilChains": False,
            "serializeImagePulls": False,
            "registryPullQPS": 0,
            "eventRecordQPS": 0,
            "kubeAPIQPS": 100,
            "kubeAPIBurst": 200,
            "nodeStatusUpdateFrequency": "1s",
            "resolvConf": "",
            "containerLogMaxSize": "50Mi",  # AKS' default
            "containerLogMaxFiles": 5,
            "maxPods": 250,
            "clusterDNS": [self._layout.service_address.rsplit(".", 1)[0] + ".10"],
            "clusterDomain": "cluster.local",
        }


# restrict_oom_score_adj: without CAP_SYS_RESOURCE, as in many containers and small machines, runc may not lower an
# oom_score_adj.
CONTAINERD_CONFIGURATION = """\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  stream_server_address = "127.0.0.1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{runc}"
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
"""
