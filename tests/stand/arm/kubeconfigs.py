# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The kubeconfigs that AKS hands out.

Form of the Entra one: what listClusterUserCredential answers for ``format=exec`` (azure-cli,
command_modules/acs/custom.py, get-credentials, and the README of kubelogin).
"""

import base64
import json
from pathlib import Path
from typing import Any

from tests.stand.cluster import pki
from tests.stand.cluster.layout import Layout

from .clusters import Cluster
from .identities import AKS_CLIENT_APP, AKS_SERVER_APP, RESOURCE_GROUP, TENANT

#: A port that nobody listens on: connections are refused at once.
DEAD_SERVER = "https://127.0.0.1:9"


class Kubeconfigs:
    """Makes kubeconfigs for the clusters of the catalogue.

    :param real: kubeconfig (JSON) of an administrator of the real cluster; without one nothing is reachable.
    """

    def __init__(self, layout: Layout, real: Path | None) -> None:
        self._layout = layout
        self._real = real

    def of(self, cluster: Cluster, *, admin: bool) -> bytes:
        kind = "Admin" if admin else "User"
        user = f"cluster{kind}_{RESOURCE_GROUP}_{cluster.name}"
        sign_in = _kubelogin() if cluster.entra and not admin else self._client_certificate()
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": cluster.name, "cluster": self._server(cluster)}],
            "contexts": [{"name": cluster.name, "context": {"cluster": cluster.name, "user": user}}],
            "current-context": cluster.name,
            "preferences": {},
            "users": [{"name": user, "user": sign_in}],
        }
        return json.dumps(document).encode()

    def _server(self, cluster: Cluster) -> dict[str, Any]:
        if self._real and cluster.reachable:
            real: dict[str, Any] = json.loads(self._real.read_text())["clusters"][0]["cluster"]
            return real
        authority = pki.ensure_authority(self._layout).certificate.read_bytes()
        return {"server": DEAD_SERVER, "certificate-authority-data": base64.b64encode(authority).decode()}

    def _client_certificate(self) -> dict[str, Any]:
        """AKS's local accounts: the user's one is cluster-admin too, as on a real cluster without Entra."""
        if self._real:
            user: dict[str, Any] = json.loads(self._real.read_text())["users"][0]["user"]
            return user
        nobody = pki.issue(self._layout, "nobody", "/CN=nobody")
        return {
            "client-certificate-data": base64.b64encode(nobody.certificate.read_bytes()).decode(),
            "client-key-data": base64.b64encode(nobody.key.read_bytes()).decode(),
        }


def _kubelogin() -> dict[str, Any]:
    args = ["get-token", "--environment", "AzurePublicCloud", "--server-id", AKS_SERVER_APP]
    args += ["--client-id", AKS_CLIENT_APP, "--tenant-id", TENANT, "--login", "devicecode"]
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "kubelogin",
            "args": args,
            "env": None,
            "provideClusterInfo": False,
        }
    }
