# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The managed clusters of the resource group, as Resource Manager describes them.

Keys and values follow the model ManagedCluster of azure-mgmt-containerservice 41.6 (API version 2026-06-01).
"""

from dataclasses import dataclass, field
from typing import Any

from .identities import ADMIN_GROUP, LOCATION, RESOURCE_GROUP, SUBSCRIPTION, TENANT

KUBERNETES_VERSION = "1.33.2"
_ENTRA = {"managed": True, "enableAzureRBAC": False, "adminGroupObjectIDs": [ADMIN_GROUP], "tenantID": TENANT}


@dataclass(frozen=True)
class AgentPool:
    """A node pool; its nodes are those of the stand whose pool has the same name."""

    name: str
    count: int
    mode: str = "User"
    os_type: str = "Linux"
    os_sku: str = "Ubuntu"
    node_image: str = "AKSUbuntu-2204gen2containerd-202610.13.0"

    def properties(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "vmSize": "Standard_D4s_v5",
            "maxPods": 110,
            "type": "VirtualMachineScaleSets",
            "mode": self.mode,
            "osType": self.os_type,
            "osSKU": self.os_sku,
            "nodeImageVersion": self.node_image,
            "orchestratorVersion": KUBERNETES_VERSION,
            "currentOrchestratorVersion": KUBERNETES_VERSION,
            "provisioningState": "Succeeded",
            "powerState": {"code": "Running"},
        }


@dataclass(frozen=True)
class Cluster:
    """A managed cluster.

    :param reachable: its kubeconfig names the real API server; otherwise a port that nobody listens on.
    :param more: properties that replace or complete the usual ones.
    """

    name: str
    pools: tuple[AgentPool, ...]
    reachable: bool = True
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return (
            f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{RESOURCE_GROUP}"
            f"/providers/Microsoft.ContainerService/managedClusters/{self.name}"
        )

    @property
    def entra(self) -> bool:
        return bool(self.more.get("aadProfile"))

    @property
    def local_accounts_disabled(self) -> bool:
        return bool(self.more.get("disableLocalAccounts"))

    @property
    def run_command_disabled(self) -> bool:
        return bool(self.more.get("apiServerAccessProfile", {}).get("disableRunCommand"))

    @property
    def running(self) -> bool:
        return bool(self.more.get("powerState", {"code": "Running"})["code"] == "Running")

    def resource(self) -> dict[str, Any]:
        """What lists of resources show."""
        kind = "Microsoft.ContainerService/ManagedClusters"
        return {"id": self.id, "name": self.name, "location": LOCATION, "type": kind}

    def describe(self) -> dict[str, Any]:
        properties = {
            "provisioningState": "Succeeded",
            "powerState": {"code": "Running"},
            "kubernetesVersion": KUBERNETES_VERSION.rpartition(".")[0],
            "currentKubernetesVersion": KUBERNETES_VERSION,
            "dnsPrefix": f"{self.name}-dns",
            "fqdn": f"{self.name}-dns-1a2b3c4d.hcp.{LOCATION}.azmk8s.io",
            "nodeResourceGroup": f"MC_{RESOURCE_GROUP}_{self.name}_{LOCATION}",
            "enableRBAC": True,
            "disableLocalAccounts": False,
            "networkProfile": {"networkPlugin": "azure", "loadBalancerSku": "standard"},
            "agentPoolProfiles": [{"name": pool.name, **pool.properties()} for pool in self.pools],
        }
        sku = {"name": "Base", "tier": "Free"}
        return {**self.resource(), "tags": {}, "sku": sku, "properties": {**properties, **self.more}}

    def describe_pool(self, pool: AgentPool) -> dict[str, Any]:
        kind = "Microsoft.ContainerService/managedClusters/agentPools"
        return {
            "id": f"{self.id}/agentPools/{pool.name}",
            "name": pool.name,
            "type": kind,
            "properties": pool.properties(),
        }


def catalogue(pool_sizes: dict[str, int]) -> dict[str, Cluster]:
    """All clusters by name.

    :param pool_sizes: name of each Linux node pool and its number of nodes.
    """
    windows = AgentPool("win22", 0, os_type="Windows", os_sku="Windows2022", node_image="AKSWindows-2022-20348.1")
    linux = tuple(
        AgentPool(name, count, mode="User" if position else "System")
        for position, (name, count) in enumerate(pool_sizes.items())
    )
    pools = (*linux, windows)
    private = {"enablePrivateCluster": True}
    clusters = (
        Cluster("plain", pools),
        Cluster("entra", pools, more={"aadProfile": _ENTRA}),
        Cluster("entra-only", pools, more={"aadProfile": _ENTRA, "disableLocalAccounts": True}),
        Cluster("locked", pools, more={"disableLocalAccounts": True}),
        Cluster("stopped", pools, reachable=False, more={"powerState": {"code": "Stopped"}}),
        Cluster("unreachable", pools, reachable=False),
        Cluster("private", pools, reachable=False, more={"apiServerAccessProfile": private, **_private("private")}),
        Cluster(
            "norun",
            pools,
            reachable=False,
            more={"apiServerAccessProfile": {**private, "disableRunCommand": True}, **_private("norun")},
        ),
        # AKS has such a cluster only where it keeps the system pool to itself
        Cluster("windows-only", (AgentPool("win22", 2, "System", "Windows", "Windows2022", windows.node_image),)),
    )
    return {cluster.name: cluster for cluster in clusters}


def _private(name: str) -> dict[str, str]:
    return {"privateFQDN": f"{name}-dns-1a2b3c4d.privatelink.{LOCATION}.azmk8s.io"}
