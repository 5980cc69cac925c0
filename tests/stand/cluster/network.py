# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Addresses and routes of the stand. Nothing of a pod leaves this machine.

Pods get an address on their node's bridge and no default route. The API's service address lives on ``lo`` and is
redirected to the API server (there is no kube-proxy); every other service or pod address is unreachable instead of
being routed away.
"""

import json
from pathlib import Path

from .layout import Layout
from .shell import output, run

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
CHAINS = ("PREROUTING", "OUTPUT")


class Network:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._remembered = layout.state / "ip_forward"

    def up(self) -> None:
        layout = self._layout
        if not self._remembered.exists():  # the bridge plugin switches it on
            self._remembered.write_text(FORWARDING.read_text())
        run("ip", "address", "replace", f"{layout.service_address}/32", "dev", "lo")
        for unused in (layout.service_range, layout.pod_range):
            run("ip", "route", "replace", "unreachable", unused)
        for chain in CHAINS:
            if run("iptables", "-w", "-t", "nat", "-C", chain, *self._redirection(), check=False).returncode:
                run("iptables", "-w", "-t", "nat", "-A", chain, *self._redirection())

    def down(self) -> None:
        """Undo all of it; what is not there is no error."""
        layout = self._layout
        for chain in CHAINS:
            while run("iptables", "-w", "-t", "nat", "-D", chain, *self._redirection(), check=False).returncode == 0:
                continue
        for unused in (layout.service_range, layout.pod_range):
            run("ip", "route", "delete", "unreachable", unused, check=False)
        run("ip", "address", "delete", f"{layout.service_address}/32", "dev", "lo", check=False)
        for link in json.loads(output("ip", "-json", "link", "show", "type", "bridge") or "[]"):
            if str(link.get("ifname", "")).startswith(layout.bridge_prefix):
                run("ip", "link", "delete", link["ifname"])
        if self._remembered.exists():
            FORWARDING.write_text(self._remembered.read_text())
            self._remembered.unlink()

    def plugin_configuration(self, index: int) -> str:
        """CNI configuration of one node: a bridge, with a route to the service addresses only."""
        layout = self._layout
        addresses = {
            "type": "host-local",
            "dataDir": str(layout.cni_data),
            "ranges": [[{"subnet": layout.pod_subnet(index)}]],
            "routes": [{"dst": layout.service_range}],
        }
        bridge = {
            "type": "bridge",
            "bridge": layout.bridge(index),
            "isGateway": True,
            "ipMasq": False,
            "ipam": addresses,
        }
        return json.dumps({"cniVersion": "0.4.0", "name": f"{layout.name}-{index}", "plugins": [bridge]})

    def _redirection(self) -> list[str]:
        layout = self._layout
        return [
            "-d", f"{layout.service_address}/32", "-p", "tcp", "--dport", "443",
            "-m", "comment", "--comment", layout.name, "-j", "REDIRECT", "--to-ports", str(layout.secure_port),
        ]  # fmt: skip
