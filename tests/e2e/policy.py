# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A policy of the cluster that denies pods, in the words of the Gatekeeper that Azure Policy installs."""

import base64
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from azext_seccomp.cluster.interface import PODS, Kube
from azext_seccomp.cluster.namespace import new_session_id
from azext_seccomp.errors import Forbidden
from tests.unit.cluster.certificates import Authority
from tests.unit.cluster.scripted import Exchange, serving

# open-policy-agent/gatekeeper pkg/webhook/policy.go: "[name of the constraint] message"
WORDS = (
    "[azurepolicy-k8sazurev3hostfilesystem-0a1b2c3d] HostPath volume {} is not allowed, pod: installer. "
    "Allowed path: []"
)


@contextmanager
def gatekeeper(kube: Kube, labels: Mapping[str, str]) -> Iterator[None]:
    """While this lasts, pods that carry these labels are denied."""
    hooks = kube.resource("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")
    authority = Authority("gatekeeper")
    name = f"e2e-{new_session_id()}"
    with serving(_deny, authority) as server:
        kube.create(hooks.path(), _configuration(name, server.url, authority, labels))
        try:
            _until_denied(kube, labels)
            yield
        finally:
            kube.delete(hooks.path(name=name))


def _deny(exchange: Exchange) -> None:
    uid = exchange.request.body["request"]["uid"]
    response = {"uid": uid, "allowed": False, "status": {"code": 403, "message": WORDS}}
    exchange.json({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})


def _configuration(name: str, url: str, authority: Authority, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "validation.gatekeeper.sh",
                "clientConfig": {"url": f"{url}/v1/admit", "caBundle": base64.b64encode(authority.pem).decode()},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                "objectSelector": {"matchLabels": dict(labels)},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
            }
        ],
    }


def _until_denied(kube: Kube, labels: Mapping[str, str]) -> None:
    """The API server learns of a webhook within a second or two."""
    pod = {
        "metadata": {"name": "asking", "labels": dict(labels)},
        "spec": {"containers": [{"name": "c", "image": "none"}]},
    }
    for _ in range(100):
        try:
            kube.create(PODS.path("default"), pod, dry_run=True)
        except Forbidden:
            return
        time.sleep(0.1)
    raise AssertionError("the API server does not ask the webhook")
