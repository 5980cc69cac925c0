# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The cluster as Azure Resource Manager knows it: state, node pools, and the credentials it hands out.

What the SDK raises passes through (az words and exit codes for it are known to its users: 3 for a cluster that does not
exist), except where this extension knows more about the cause or the cure.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from azure.core.exceptions import HttpResponseError

from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import Forbidden, ServerFault, WrongState

# The service's message when a static credential is asked of a cluster without local accounts.
_NO_LOCAL_ACCOUNTS = "disable local accounts"


class ManagedClusters(Protocol):
    """The part of ``ContainerServiceClient.managed_clusters`` in use."""

    def get(self, resource_group_name: str, resource_name: str) -> Any: ...

    def list_cluster_user_credentials(self, resource_group_name: str, resource_name: str, **kwargs: Any) -> Any: ...

    def list_cluster_admin_credentials(self, resource_group_name: str, resource_name: str, **kwargs: Any) -> Any: ...


@dataclass(frozen=True)
class Pool:
    """A node pool. ``os_type`` is ``Linux`` or ``Windows``; ``power_state`` is ``Running`` or ``Stopped``."""

    name: str
    os_type: str
    os_sku: str
    mode: str
    count: int
    node_image_version: str
    orchestrator_version: str
    power_state: str


@dataclass(frozen=True)
class ClusterInfo:
    """A managed cluster.

    :param authorized_ip_ranges: the API server admits connections from listed addresses only.
    :param hidden_pools: there may be nodes that belong to no pool in ``pools`` (node auto-provisioning, managed system
        node pools).
    """

    id: str
    name: str
    resource_group: str
    location: str
    power_state: str
    kubernetes_version: str
    fqdn: str
    private_fqdn: str
    is_private: bool
    local_accounts_disabled: bool
    entra_managed: bool
    run_command_disabled: bool
    authorized_ip_ranges: bool
    hidden_pools: bool
    pools: tuple[Pool, ...]


def read_cluster(managed_clusters: ManagedClusters, resource_group: str, name: str) -> ClusterInfo:
    """Read one cluster with its node pools in one request. A failed or running operation on the cluster does not matter
    here.

    Raises Forbidden; what else the SDK raises passes through.
    """
    with _permission():
        cluster = managed_clusters.get(resource_group, name)
    access = _part(cluster, "api_server_access_profile")
    provisioning = _part(cluster, "node_provisioning_profile")
    hosted = _part(cluster, "hosted_system_profile")
    return ClusterInfo(
        id=_text(cluster, "id"),
        name=_text(cluster, "name") or name,
        resource_group=resource_group,
        location=_text(cluster, "location"),
        power_state=_text(_part(cluster, "power_state"), "code"),
        kubernetes_version=_text(cluster, "current_kubernetes_version") or _text(cluster, "kubernetes_version"),
        fqdn=_text(cluster, "fqdn"),
        private_fqdn=_text(cluster, "private_fqdn"),
        is_private=bool(_part(access, "enable_private_cluster")),
        local_accounts_disabled=bool(_part(cluster, "disable_local_accounts")),
        entra_managed=bool(_part(_part(cluster, "aad_profile"), "managed")),
        run_command_disabled=bool(_part(access, "disable_run_command")),
        authorized_ip_ranges=bool(_part(access, "authorized_ip_ranges")),
        hidden_pools=_text(provisioning, "mode") == "Auto" or bool(_part(hosted, "enabled")),
        pools=tuple(_pool(profile) for profile in _part(cluster, "agent_pool_profiles") or ()),
    )


def require_usable(info: ClusterInfo) -> None:
    """Raise WrongState for a cluster that is stopped or has no Linux nodes at all."""
    if info.power_state == "Stopped":
        raise WrongState(
            f"Cluster {info.name} is stopped.", fix=f"Start it: az aks start -g {info.resource_group} -n {info.name}"
        )
    if info.pools and not info.hidden_pools and not any(pool.os_type == "Linux" for pool in info.pools):
        names = ", ".join(f"{pool.name} ({pool.os_type})" for pool in info.pools)
        raise WrongState(
            f"Cluster {info.name} has no Linux node pool.",
            why=f"Its node pools: {names}. seccomp is a feature of the Linux kernel.",
        )


def read_kubeconfig(managed_clusters: ManagedClusters, info: ClusterInfo, *, admin: bool) -> bytes:
    """The kubeconfig that AKS hands out to the caller, with ``admin`` the one of the local admin account.

    Raises WrongState when the cluster has no account of that kind, Forbidden when the caller's Azure role does not hold
    the action.
    """
    if admin and info.local_accounts_disabled:
        raise _no_local_accounts(info, admin)
    # The answer holds a private key, and az prints answers with --debug unless told otherwise.
    silently: dict[str, Any] = {"logging_enable": False}
    try:
        with _permission():
            if admin:
                found = managed_clusters.list_cluster_admin_credentials(info.resource_group, info.name, **silently)
            else:
                found = managed_clusters.list_cluster_user_credentials(
                    info.resource_group, info.name, format="exec", **silently
                )
    except HttpResponseError as error:
        if error.status_code == 400 and _NO_LOCAL_ACCOUNTS in str(error.message):
            raise _no_local_accounts(info, admin) from None
        raise
    kubeconfigs = _part(found, "kubeconfigs")
    content = _part(kubeconfigs[0], "value") if kubeconfigs else None
    if not content:
        raise ServerFault(f"AKS handed out no credentials for cluster {info.name}.")
    return bytes(content)


def _no_local_accounts(info: ClusterInfo, admin: bool) -> WrongState:
    if admin:
        return WrongState(
            f"Cluster {info.name} has local accounts disabled: there is no admin account.",
            fix="Leave --admin out to use your own account.",
        )
    return WrongState(
        f"Cluster {info.name} has local accounts disabled, and no Entra integration to sign in with instead.",
        fix=f"Enable it: az aks update -g {info.resource_group} -n {info.name} --enable-aad",
    )


@contextmanager
def _permission() -> Iterator[None]:
    """Turn the service's 403 into Forbidden; its message names the action and the scope that are missing."""
    try:
        yield
    except HttpResponseError as error:
        if error.status_code != 403:
            raise
        detail = getattr(error.error, "message", None) or error.message
        raise Forbidden(
            "Your account may not read this cluster or its credentials in Azure.",
            why=printable(str(detail), 1024),
            fix="Ask for the role 'Azure Kubernetes Service Cluster User Role' on the cluster (with --admin: 'Azure "
            "Kubernetes Service Cluster Admin Role'). After a role assignment run 'az login' again.",
        ) from None


def _pool(profile: Any) -> Pool:
    return Pool(
        name=_text(profile, "name"),
        os_type=_text(profile, "os_type") or "Linux",
        os_sku=_text(profile, "os_sku"),
        mode=_text(profile, "mode"),
        count=int(_part(profile, "count") or 0),
        node_image_version=_text(profile, "node_image_version"),
        orchestrator_version=_text(profile, "current_orchestrator_version") or _text(profile, "orchestrator_version"),
        power_state=_text(_part(profile, "power_state"), "code"),
    )


def _part(model: Any, name: str) -> Any:
    # SDK versions differ in which profiles they know.
    return getattr(model, name, None)


def _text(model: Any, name: str) -> str:
    value = _part(model, name)
    return str(getattr(value, "value", value) or "")
