# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Azure Resource Manager: subscription, resource group, managed clusters."""

import base64
import re
from collections.abc import Callable
from typing import Any

from .clusters import Cluster
from .http import Request, Response, refuse
from .identities import AKS_SERVER_APP, ARM_AUDIENCES, LOCATION, RESOURCE_GROUP, SUBSCRIPTION, TENANT
from .kubeconfigs import Kubeconfigs
from .run_command import Runs
from .tokens import Issuer

#: In Microsoft's words (azure-aks-docs, manage-local-accounts-managed-azure-ad.md).
_NO_LOCAL_ACCOUNTS = "Getting static credential is not allowed because this cluster is set to disable local accounts."
_AKS = r"/providers/Microsoft\.ContainerService/managedClusters"
_FEATURES = r"/providers/Microsoft\.Features/providers/Microsoft\.ContainerService/features"
_CLUSTER = re.compile(rf"/resourcegroups/(?P<group>[^/]+){_AKS}/(?P<name>[^/]+)(?P<rest>.*)", re.IGNORECASE)


class ResourceManager:
    """Answers what carries a token for Resource Manager.

    :param base: ``https://localhost:<port>``.
    """

    def __init__(
        self, base: str, issuer: Issuer, clusters: dict[str, Cluster], kubeconfigs: Kubeconfigs, runs: Runs
    ) -> None:
        self._base = base
        self._issuer = issuer
        self._clusters = clusters
        self._kubeconfigs = kubeconfigs
        self._runs = runs
        self._features = {"KubeletDefaultSeccompProfilePreview": "NotRegistered"}
        self._routes: tuple[tuple[str, str, Callable[..., Response]], ...] = (
            ("GET", r"/resourcegroups", lambda _: _list([_group()])),
            ("GET", r"/resourcegroups/(?P<group>[^/]+)", self._resource_group),
            ("GET", r"(/resourcegroups/[^/]+)?/resources", self._resources),
            ("GET", rf"(/resourcegroups/[^/]+)?{_AKS}", self._list),
            (
                "GET",
                _FEATURES,
                self._all_features,
            ),
            ("(GET|POST)", _FEATURES + r"/(?P<name>[^/]+)(?P<register>/register)?", self._feature),
        )
        self._cluster_routes: tuple[tuple[str, str, Callable[..., Response]], ...] = (
            ("GET", r"", lambda _, cluster: Response(200, cluster.describe())),
            ("POST", r"/listCluster(?P<kind>User|Admin)Credential", self._credential),
            ("GET", r"/agentPools", lambda _, cluster: _list([cluster.describe_pool(pool) for pool in cluster.pools])),
            ("GET", r"/agentPools/(?P<name>[^/]+)", _agent_pool),
            ("POST", r"/runCommand", self._start_command),
            ("GET", r"/commandResults/(?P<run>[^/]+)", self._command_result),
        )

    def __call__(self, request: Request) -> Response:
        claims = self._issuer.read(request.bearer)
        if claims is None or claims["aud"] not in ARM_AUDIENCES:
            challenge = f'Bearer authorization_uri="{self._base}/adfs", error="invalid_token"'
            words = "Authentication failed."
            return refuse(401, "AuthenticationFailed", words, {"WWW-Authenticate": challenge})
        if "api-version" not in request.query:
            words = "The api-version query parameter (?api-version=) is required for all requests."
            return refuse(400, "MissingApiVersionParameter", words)
        if request.path == "/subscriptions":
            return _list([_subscription()])
        if request.path == "/tenants":
            return _list([{"id": f"/tenants/{TENANT}", "tenantId": TENANT, "displayName": "Stand"}])
        return self._of_subscription(request)

    def _of_subscription(self, request: Request) -> Response:
        prefix = f"/subscriptions/{SUBSCRIPTION}"
        if not request.path.startswith(prefix):
            return refuse(404, "SubscriptionNotFound", "The subscription could not be found.")
        path = request.path.removeprefix(prefix)
        if not path:
            return Response(200, _subscription())
        found = _CLUSTER.fullmatch(path)
        return self._of_cluster(request, **found.groupdict()) if found else _route(self._routes, request, path)

    def _of_cluster(self, request: Request, group: str, name: str, rest: str) -> Response:
        if group.lower() != RESOURCE_GROUP:
            return refuse(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
        cluster = self._clusters.get(name.lower())
        if cluster is None:
            kind = "Microsoft.ContainerService/managedClusters"
            words = f"The Resource '{kind}/{name}' under resource group '{group}' was not found."
            return refuse(404, "ResourceNotFound", words)
        return _route(self._cluster_routes, request, rest, cluster)

    def _resource_group(self, _: Request, group: str) -> Response:
        if group.lower() == RESOURCE_GROUP:
            return Response(200, _group())
        return refuse(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")

    def _resources(self, _: Request) -> Response:
        return _list([cluster.resource() for cluster in self._clusters.values()])

    def _list(self, _: Request) -> Response:
        return _list([cluster.describe() for cluster in self._clusters.values()])

    def _all_features(self, _: Request) -> Response:
        return _list([_describe_feature(name, state) for name, state in self._features.items()])

    def _feature(self, _: Request, name: str, register: str | None) -> Response:
        if name not in self._features:
            return refuse(404, "FeatureNotFound", f"The feature '{name}' could not be found.")
        if register:
            self._features[name] = "Registering"
        return Response(200, _describe_feature(name, self._features[name]))

    def _credential(self, _: Request, cluster: Cluster, kind: str) -> Response:
        admin = kind.lower() == "admin"
        if cluster.local_accounts_disabled and (admin or not cluster.entra):
            return refuse(400, "BadRequest", _NO_LOCAL_ACCOUNTS)
        value = base64.b64encode(self._kubeconfigs.of(cluster, admin=admin)).decode()
        return Response(200, {"kubeconfigs": [{"name": f"cluster{kind}", "value": value}]})

    def _start_command(self, request: Request, cluster: Cluster) -> Response:
        body = request.json()
        if cluster.run_command_disabled:
            return refuse(403, "RunCommandDisabled", "Run command is disabled on this cluster.")
        if not cluster.running:
            return refuse(400, "OperationNotAllowed", "The cluster is stopped.")
        if cluster.entra and not self._is_for_cluster(body.get("clusterToken", "")):
            return refuse(400, "ClusterTokenRequired", "A token for the AKS server application is required.")
        run = self._runs.start(body["command"], body.get("context", ""))
        version = request.query["api-version"]
        location = f"{self._base}{cluster.id}/commandResults/{run}?api-version={version}"
        return Response(202, None, {"Location": location, "Retry-After": "1"})

    def _is_for_cluster(self, token: str) -> bool:
        claims = self._issuer.read(token)
        return claims is not None and claims["aud"] == AKS_SERVER_APP

    def _command_result(self, request: Request, cluster: Cluster, run: str) -> Response:
        state = self._runs.get(run)
        if state is None:
            return refuse(404, "NotFound", "The command was not found.")
        if state["properties"]["provisioningState"] != "Running":
            return Response(200, state)
        location = f"{self._base}{request.path}?api-version={request.query['api-version']}"
        return Response(202, state, {"Location": location, "Retry-After": "1"})


def _route(
    routes: tuple[tuple[str, str, Callable[..., Response]], ...], request: Request, path: str, *known: Cluster
) -> Response:
    for method, pattern, answer in routes:
        found = re.fullmatch(pattern, path, re.IGNORECASE)
        if found and re.fullmatch(method, request.method):
            return answer(request, *known, **found.groupdict())
    return refuse(404, "InvalidResourceType", f"The stand does not know {request.method} {request.path}.")


def _agent_pool(_: Request, cluster: Cluster, name: str) -> Response:
    for pool in cluster.pools:
        if pool.name == name:
            return Response(200, cluster.describe_pool(pool))
    return refuse(404, "NotFound", f"Agent pool {name} was not found.")


def _list(items: list[dict[str, Any]]) -> Response:
    return Response(200, {"value": items})


def _group() -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}",
        "name": RESOURCE_GROUP,
        "type": "Microsoft.Resources/resourceGroups",
        "location": LOCATION,
        "properties": {"provisioningState": "Succeeded"},
    }


def _subscription() -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{SUBSCRIPTION}",
        "subscriptionId": SUBSCRIPTION,
        "displayName": "Stand",
        "state": "Enabled",
        "tenantId": TENANT,
    }


def _describe_feature(name: str, state: str) -> dict[str, Any]:
    prefix = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Features/providers"
    return {
        "id": f"{prefix}/Microsoft.ContainerService/features/{name}",
        "name": f"Microsoft.ContainerService/{name}",
        "type": "Microsoft.Features/providers/features",
        "properties": {"state": state},
    }
