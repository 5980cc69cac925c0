# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""From the name of a cluster to a client of its API server."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from azext_seccomp.cluster.arm import ClusterInfo, ManagedClusters, read_cluster, read_kubeconfig, require_usable
from azext_seccomp.cluster.connection import connection
from azext_seccomp.cluster.credentials import parse_kubeconfig
from azext_seccomp.cluster.interface import Kube
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.open_files import allow_many
from azext_seccomp.cluster.target import Target
from azext_seccomp.cluster.tokens import AccessToken, RenewedToken


@dataclass(frozen=True)
class Services:
    """What reaching a cluster needs of az.

    :param managed_clusters: the SDK's operations of that name.
    :param entra_token: a token of the signed-in account for an application, in a tenant (``""``: the account's own).
    """

    managed_clusters: ManagedClusters
    entra_token: Callable[[str, str], AccessToken]


@dataclass(frozen=True)
class Reached:
    """A cluster and a client of its API server. Leaving the ``with`` block ends every stream and every request that
    waits.
    """

    info: ClusterInfo
    kube: Kube
    close: Callable[[], None]

    def __enter__(self) -> "Reached":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(services: Services, resource_group: str, name: str, *, admin: bool = False) -> Reached:
    """Resolve the cluster and make a client for it. Nothing is asked of the API server yet.

    :param admin: use the local admin account instead of the caller's own.

    Raises WrongState (stopped, no Linux pool, no account of that kind), Forbidden (Azure role), Unsupported or
    InvalidInput (kubeconfig); what else the SDK raises passes through.
    """
    info = read_cluster(services.managed_clusters, resource_group, name)
    require_usable(info)
    credentials = parse_kubeconfig(read_kubeconfig(services.managed_clusters, info, admin=admin))
    login = credentials.entra
    tokens = RenewedToken(lambda: services.entra_token(login.server_app, login.tenant)) if login else None
    target = Target(
        server=credentials.server,
        cluster=info.name,
        resource_group=info.resource_group,
        private=info.is_private,
        run_command=not info.run_command_disabled,
        address_ranges=info.authorized_ip_ranges,
        entra=login is not None,
    )
    allow_many()
    client = OfficialClient(connection(credentials, target, tokens))
    return Reached(info, client, client.close)
