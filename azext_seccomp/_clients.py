# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What az gives this extension: SDK clients and tokens of the signed-in account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure.cli.core._profile import Profile
from azure.cli.core.commands.client_factory import get_mgmt_service_client
from azure.cli.core.profiles import ResourceType
from knack.util import CLIError

from azext_seccomp.errors import Unauthenticated, Unreachable

if TYPE_CHECKING:
    from azext_seccomp.cluster.reach import Reached
    from azext_seccomp.cluster.tokens import AccessToken


def reach_cluster(cmd: Any, resource_group_name: str, name: str, admin: bool = False) -> Reached:
    """The cluster and a client of its API server; use it as a context manager.

    Raises what ``cluster.reach.connect`` raises, and az's own errors when nobody is signed in.
    """
    from azext_seccomp.cluster.reach import Services, connect

    cli_ctx = cmd.cli_ctx
    client = get_mgmt_service_client(cli_ctx, ResourceType.MGMT_CONTAINERSERVICE)
    services = Services(client.managed_clusters, lambda application, tenant: _entra_token(cli_ctx, application, tenant))
    return connect(services, resource_group_name, name, admin=admin)


def _entra_token(cli_ctx: Any, application: str, tenant: str) -> AccessToken:
    """A token of the signed-in account, from az's cache where it is still good. The same as ``kubelogin --login
    azurecli`` gets.

    :raises Unauthenticated: az has none to give.
    :raises Unreachable: az could not ask for a new one. Whoever waits for a connection asks again.
    """
    from azext_seccomp.cluster.tokens import AccessToken

    profile = Profile(cli_ctx=cli_ctx)
    subscription = cli_ctx.data.get("subscription_id")
    try:
        home = profile.get_subscription(subscription)["tenantId"]
        # az takes a tenant or a subscription, not both; a managed identity knows its own tenant only.
        where = {"tenant": tenant} if tenant and tenant != home else {"subscription": subscription}
        (_, value, entry), _, _ = profile.get_raw_token(resource=application, **where)
    except CLIError as error:
        advice = " ".join(getattr(error, "recommendations", None) or ())
        raise Unauthenticated(
            "No Entra token for the cluster.", why=str(error), fix=advice or "Sign in again with 'az login'."
        ) from None
    except OSError as error:  # the base class of all that ``requests`` raises; az passes those of MSAL on
        raise Unreachable(
            "No new Entra token for the cluster: the sign-in service cannot be reached.",
            why=f"({type(error).__name__})",
            fix="Check the network connection and the proxy of this machine.",
        ) from None
    return AccessToken(value, float(entry["expires_on"]))
