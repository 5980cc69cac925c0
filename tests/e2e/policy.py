# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Admission webhooks of a cluster: policies in the words of the Gatekeeper that Azure Policy installs, and others.

They all validate. A JSON patch of a mutating one ends the API server of the stand: Kubernetes 1.20 encodes it with a
library (modern-go/reflect2 before 1.0.2) that does not fit the Go that it is built with.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from azext_seccomp.cluster.interface import PODS, JsonObject, Kube
from azext_seccomp.cluster.namespace import new_session_id
from azext_seccomp.errors import Forbidden, InvalidInput
from tests.unit.cluster.certificates import Authority
from tests.unit.cluster.scripted import Exchange, serving

# open-policy-agent/gatekeeper pkg/webhook/policy.go: "[name of the constraint] message"
WORDS = (
    "[azurepolicy-k8sazurev3hostfilesystem-0a1b2c3d] HostPath volume {} is not allowed, pod: installer. "
    "Allowed path: []"
)
SECCOMP_WORDS = (
    "[azurepolicy-k8sazurev2seccomp-0a1b2c3d] Seccomp profile 'Localhost' is not allowed for container 'app'. "
    'Allowed profiles: {"RuntimeDefault"}'
)
DEPLOYMENTS = ("apps/v1", "Deployment")
_PODS = (PODS.api_version, PODS.kind)
_LOCALHOST = {"seccompProfile": {"type": "Localhost", "localhostProfile": "asking.json"}}

Judge = Callable[[JsonObject], JsonObject]
"""What the webhook answers about an object: the fields of an AdmissionResponse without ``uid``."""


@contextmanager
def gatekeeper(kube: Kube, labels: Mapping[str, str]) -> Iterator[None]:
    """While this lasts, pods that carry these labels are denied."""
    with _webhook(kube, _PODS, labels, lambda _: _denied(WORDS)):
        yield


@contextmanager
def seccomp_policy(kube: Kube, kind: tuple[str, str], labels: Mapping[str, str]) -> Iterator[None]:
    """While this lasts, objects of this kind that carry these labels are denied if a container has a profile of the
    node.
    """

    def judge(body: JsonObject) -> JsonObject:
        return _denied(SECCOMP_WORDS) if "Localhost" in json.dumps(body["spec"]) else {"allowed": True}

    with _webhook(kube, kind, labels, judge):
        yield


@contextmanager
def taking_no_dry_runs(kube: Kube, kind: tuple[str, str], labels: Mapping[str, str]) -> Iterator[None]:
    """While this lasts, a webhook with side effects is asked about objects of this kind that carry these labels; it
    allows all, but the API server asks it about no dry run and refuses that. (v1 has no such webhooks any more.)
    """
    with _webhook(kube, kind, labels, lambda _: {"allowed": True}, version="v1beta1", effects="Some"):
        yield


def _denied(words: str) -> JsonObject:
    return {"allowed": False, "status": {"code": 403, "message": words}}


@contextmanager
def _webhook(
    kube: Kube,
    kind: tuple[str, str],
    labels: Mapping[str, str],
    judge: Judge,
    *,
    version: str = "v1",
    effects: str = "None",
) -> Iterator[None]:
    def answer(exchange: Exchange) -> None:
        review = exchange.request.body
        response = {"uid": review["request"]["uid"], **judge(review["request"]["object"])}
        exchange.json({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response})

    hooks = kube.resource(f"admissionregistration.k8s.io/{version}", "ValidatingWebhookConfiguration")
    target = kube.resource(*kind)
    group, _, of_group = target.api_version.rpartition("/")
    authority = Authority("gatekeeper")
    name = f"e2e-{new_session_id()}"
    with serving(answer, authority) as server:
        rule = {"apiGroups": [group], "apiVersions": [of_group], "resources": [target.plural]}
        hook = {
            "name": "validation.gatekeeper.sh",
            "clientConfig": {
                "url": f"{server.url}/v1/admit",
                "caBundle": base64.b64encode(authority.pem).decode(),
            },
            "rules": [{**rule, "operations": ["CREATE", "UPDATE"]}],
            "objectSelector": {"matchLabels": dict(labels)},
            "admissionReviewVersions": [version],
            "sideEffects": effects,
        }
        kube.create(hooks.path(), {"metadata": {"name": name}, "webhooks": [hook]})
        try:
            _until_it_is_asked(kube, kind, labels)
            yield
        finally:
            kube.delete(hooks.path(name=name))


def _until_it_is_asked(kube: Kube, kind: tuple[str, str], labels: Mapping[str, str]) -> None:
    """The API server learns of a webhook within a second or two."""
    metadata = {"name": "asking", "labels": dict(labels)}
    spec: JsonObject = {"containers": [{"name": "app", "image": "none", "securityContext": _LOCALHOST}]}
    if kind != _PODS:
        spec = {"selector": {"matchLabels": dict(labels)}, "template": {"metadata": metadata, "spec": spec}}
    body = {"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, "spec": spec}
    for _ in range(100):
        try:
            kube.create(kube.resource(*kind).path("default"), body, dry_run=True)
        except (Forbidden, InvalidInput):
            return
        time.sleep(0.1)
    raise AssertionError("the API server does not ask the webhook")
