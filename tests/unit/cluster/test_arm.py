# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""ARM's view of a cluster, from a stand-in for the SDK's operations that returns the SDK's own models."""

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.containerservice import models

from azext_seccomp.cluster.arm import read_cluster, read_kubeconfig, require_usable
from azext_seccomp.errors import Forbidden, ServerFault, WrongState

NO_LOCAL_ACCOUNTS = "Getting static credential is not allowed because this cluster is set to disable local accounts."


def cluster(**properties: Any) -> models.ManagedCluster:
    pools = [
        {"name": "system", "osType": "Linux", "mode": "System", "count": 3, "currentOrchestratorVersion": "1.33.2"},
        {"name": "win22", "osType": "Windows", "mode": "User", "count": 1},
    ]
    standard = {"currentKubernetesVersion": "1.33.2", "fqdn": "shop.azmk8s.io", "powerState": {"code": "Running"}}
    return models.ManagedCluster(
        {
            "id": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/shop",
            "name": "shop",
            "location": "westeurope",
            "properties": {**standard, "agentPoolProfiles": pools, **properties},
        }
    )


def refusal(status: int, message: str) -> HttpResponseError:
    error = ResourceNotFoundError(message) if status == 404 else HttpResponseError(message)
    error.status_code = status
    return error


class Clusters:
    """``managed_clusters`` with one cluster."""

    def __init__(self, found: Any, credentials: Any = None) -> None:
        self.found = found
        self.credentials = credentials
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get(self, resource_group_name: str, resource_name: str) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def list_cluster_user_credentials(self, resource_group_name: str, resource_name: str, **kwargs: Any) -> Any:
        return self._hand_out("user", kwargs)

    def list_cluster_admin_credentials(self, resource_group_name: str, resource_name: str, **kwargs: Any) -> Any:
        return self._hand_out("admin", kwargs)

    def _hand_out(self, account: str, options: dict[str, Any]) -> Any:
        self.asked.append((account, options))
        if isinstance(self.credentials, Exception):
            raise self.credentials
        value = [{"name": account, "value": self.credentials}] if self.credentials else []
        return models.CredentialResults({"kubeconfigs": value})


def test_a_cluster_and_its_pools() -> None:
    info = read_cluster(Clusters(cluster()), "rg", "shop")
    assert (info.name, info.resource_group, info.location, info.power_state) == ("shop", "rg", "westeurope", "Running")
    assert info.kubernetes_version == "1.33.2"
    assert not info.is_private
    assert not info.authorized_ip_ranges
    assert [(pool.name, pool.os_type, pool.mode, pool.count) for pool in info.pools] == [
        ("system", "Linux", "System", 3),
        ("win22", "Windows", "User", 1),
    ]
    assert info.pools[0].orchestrator_version == "1.33.2"


def test_what_is_said_about_the_way_to_its_server() -> None:
    access = {"enablePrivateCluster": True, "disableRunCommand": True, "authorizedIPRanges": ["1.2.3.4/32"]}
    info = read_cluster(
        Clusters(
            cluster(
                apiServerAccessProfile=access,
                privateFQDN="shop.privatelink.azmk8s.io",
                disableLocalAccounts=True,
                aadProfile={"managed": True},
            )
        ),
        "rg",
        "shop",
    )
    assert info.is_private
    assert info.run_command_disabled
    assert info.authorized_ip_ranges
    assert info.private_fqdn == "shop.privatelink.azmk8s.io"
    assert info.local_accounts_disabled
    assert info.entra_managed


@pytest.mark.parametrize("state", ["Failed", "Updating", "Upgrading", "Starting"])
def test_an_operation_that_runs_or_failed_does_not_matter(state: str) -> None:
    require_usable(read_cluster(Clusters(cluster(provisioningState=state)), "rg", "shop"))


def test_a_stopped_cluster() -> None:
    with pytest.raises(WrongState) as caught:
        require_usable(read_cluster(Clusters(cluster(powerState={"code": "Stopped"})), "rg", "shop"))
    assert caught.value.what == "Cluster shop is stopped."
    assert caught.value.fix == "Start it: az aks start -g rg -n shop"


WINDOWS_ONLY = [{"name": "win22", "osType": "Windows", "count": 1}]


def test_no_linux_pool() -> None:
    with pytest.raises(WrongState, match="has no Linux node pool") as caught:
        require_usable(read_cluster(Clusters(cluster(agentPoolProfiles=WINDOWS_ONLY)), "rg", "shop"))
    assert "win22 (Windows)" in caught.value.why


@pytest.mark.parametrize(
    "properties", [{"nodeProvisioningProfile": {"mode": "Auto"}}, {"hostedSystemProfile": {"enabled": True}}]
)
def test_nodes_outside_the_pools_may_be_linux(properties: dict[str, Any]) -> None:
    info = read_cluster(Clusters(cluster(agentPoolProfiles=WINDOWS_ONLY, **properties)), "rg", "shop")
    assert info.hidden_pools
    require_usable(info)


def test_a_cluster_that_does_not_exist_is_azs_own_error() -> None:
    with pytest.raises(ResourceNotFoundError):
        read_cluster(Clusters(refusal(404, "(ResourceNotFound)")), "rg", "nope")


@pytest.mark.parametrize("step", ["cluster", "credentials"])
def test_a_missing_azure_role(step: str) -> None:
    denied = refusal(403, "(AuthorizationFailed) ... not authorized to perform action 'x/y/action' over scope")
    with pytest.raises(Forbidden) as caught:
        clusters = Clusters(denied if step == "cluster" else cluster(), denied)
        read_kubeconfig(clusters, read_cluster(clusters, "rg", "shop"), admin=False)
    assert "x/y/action" in caught.value.why
    assert "Cluster User Role" in caught.value.fix


@pytest.mark.parametrize(("admin", "account"), [(False, "user"), (True, "admin")])
def test_the_kubeconfig_is_not_logged(admin: bool, account: str) -> None:
    clusters = Clusters(cluster(), b"apiVersion: v1")
    info = read_cluster(clusters, "rg", "shop")
    assert read_kubeconfig(clusters, info, admin=admin) == b"apiVersion: v1"
    (asked, options) = clusters.asked[0]
    assert asked == account
    assert options["logging_enable"] is False
    assert options.get("format") == (None if admin else "exec")


def test_the_admin_account_of_a_cluster_without_local_accounts_is_not_asked_for() -> None:
    clusters = Clusters(cluster(disableLocalAccounts=True))
    with pytest.raises(WrongState) as caught:
        read_kubeconfig(clusters, read_cluster(clusters, "rg", "shop"), admin=True)
    assert "Leave --admin out" in caught.value.fix
    assert clusters.asked == []


def test_no_local_accounts_and_no_entra_either() -> None:
    clusters = Clusters(cluster(disableLocalAccounts=True), refusal(400, NO_LOCAL_ACCOUNTS))
    with pytest.raises(WrongState) as caught:
        read_kubeconfig(clusters, read_cluster(clusters, "rg", "shop"), admin=False)
    assert "--enable-aad" in caught.value.fix


def test_another_bad_request_is_azs_own_error() -> None:
    clusters = Clusters(cluster(), refusal(400, "something else"))
    with pytest.raises(HttpResponseError, match="something else"):
        read_kubeconfig(clusters, read_cluster(clusters, "rg", "shop"), admin=False)


def test_no_credentials_at_all() -> None:
    clusters = Clusters(cluster())
    with pytest.raises(ServerFault):
        read_kubeconfig(clusters, read_cluster(clusters, "rg", "shop"), admin=False)
