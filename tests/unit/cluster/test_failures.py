# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The texts are those that API servers, Gatekeeper and Azure RBAC send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.cluster.failures import Expired, from_answer
from azext_seccomp.cluster.interface import NAMESPACES, NODES, PODS
from azext_seccomp.cluster.request import Request
from azext_seccomp.cluster.target import Target
from azext_seccomp.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    SeccompError,
    ServerFault,
    Unauthenticated,
    Unreachable,
    WrongState,
)

TARGET = Target("https://shop.hcp.westeurope.azmk8s.io:443", cluster="shop", resource_group="rg")
CREATE = Request("POST", PODS.path("aks-seccomp"))
LIST = Request("GET", PODS.path("shop"))


def failure(asked: Request, status: int, message: str, reason: str = "") -> SeccompError:
    body = {"kind": "Status", "apiVersion": "v1", "code": status, "message": message, "reason": reason}
    return from_answer(asked, TARGET, status, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInput),
        (401, Unauthenticated),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Expired),
        (413, InvalidInput),
        (415, InvalidInput),
        (422, InvalidInput),
        (429, ServerFault),
        (500, ServerFault),
        (503, ServerFault),
        (504, ServerFault),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[SeccompError]) -> None:
    error = failure(LIST, status, "the words of the server")
    assert type(error) is kind
    assert status == 401 or "the words of the server" in error.why


class TestAuthorization:
    @pytest.mark.parametrize(
        ("message", "what", "check"),
        [
            (
                'nodes is forbidden: User "dev" cannot list resource "nodes" in API group "" at the cluster scope',
                "You may not list nodes at the cluster scope.",
                "kubectl auth can-i list nodes",
            ),
            (
                'deployments.apps "w" is forbidden: User "u" cannot patch resource "deployments" in API group "apps" '
                'in the namespace "shop": User does not have access to the resource in Azure. '
                "Update role assignment to allow access.",
                "You may not patch deployments.apps in namespace shop.",
                "kubectl auth can-i patch deployments.apps -n shop",
            ),
            (
                'pods "w" is forbidden: User "" cannot get resource "pods/log" in API group "" in the namespace "shop"',
                "You may not get pods/log in namespace shop.",
                "kubectl auth can-i get pods/log -n shop",
            ),
        ],
    )
    def test_names_the_missing_verb_resource_and_namespace(self, message: str, what: str, check: str) -> None:
        error = failure(LIST, 403, message, "Forbidden")
        assert error.what == what
        assert error.why == message
        assert error.fix.endswith(check)

    def test_a_path(self) -> None:
        message = 'forbidden: User "u" cannot get path "/version"'
        assert failure(Request("GET", "/version"), 403, message).what == "You may not get /version."

    def test_words_that_are_not_known_are_shown_as_they_are(self) -> None:
        error = failure(LIST, 403, "computer says no")
        assert error.what == "You may not list pods in namespace shop."
        assert error.why == "computer says no"


class TestPolicy:
    def test_gatekeeper(self) -> None:
        words = (
            "[azurepolicy-k8sazurev2noprivilege-1a2b] Privileged container is not allowed: ig, securityContext: "
            '{"privileged": true}'
        )
        message = f'admission webhook "validation.gatekeeper.sh" denied the request: {words}'
        error = failure(CREATE, 403, message, "Forbidden")
        assert isinstance(error, Forbidden)
        assert error.what.startswith("The admission webhook validation.gatekeeper.sh denies the request to create pods")
        assert error.why == words
        assert "excludedNamespaces" in error.fix
        assert "az aks safeguards update --excluded-ns aks-seccomp" in error.fix

    @pytest.mark.parametrize("status", [400, 403, 409, 422])
    def test_another_webhook_whatever_status_it_chose(self, status: int) -> None:
        error = failure(CREATE, status, 'admission webhook "v.kyverno.svc" denied the request: no host path')
        assert isinstance(error, Forbidden)
        assert error.why == "no host path"
        assert "exempt namespace aks-seccomp" in error.fix

    def test_a_webhook_without_words(self) -> None:
        error = failure(CREATE, 400, 'admission webhook "x.example" denied the request without explanation')
        assert isinstance(error, Forbidden)

    def test_a_validating_admission_policy(self) -> None:
        message = "ValidatingAdmissionPolicy 'no-hostpath' with binding 'all' denied request: not here"
        error = failure(CREATE, 422, f'pods "p" is forbidden: {message}', "Invalid")
        assert isinstance(error, Forbidden)
        assert "no-hostpath" in error.what
        assert error.why == "not here"

    def test_pod_security(self) -> None:
        words = 'privileged (container "ig" must not set securityContext.privileged=true)'
        error = failure(
            CREATE, 403, f'pods "p" is forbidden: violates PodSecurity "baseline:latest": {words}', "Forbidden"
        )
        assert error.why == words
        assert "pod-security.kubernetes.io/enforce=privileged" in error.fix

    def test_a_quota(self) -> None:
        words = "exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2"
        error = failure(CREATE, 403, f'pods "p" is forbidden: {words}', "Forbidden")
        assert isinstance(error, Forbidden)
        assert error.why == words

    def test_a_namespace_that_is_being_deleted(self) -> None:
        message = "unable to create new content in namespace aks-seccomp because it is being terminated"
        error = failure(CREATE, 403, f'pods "p" is forbidden: {message}', "Forbidden")
        assert isinstance(error, WrongState)
        assert "namespace aks-seccomp is being deleted" in error.what

    def test_a_webhook_that_does_not_answer(self) -> None:
        message = (
            'Internal error occurred: failed calling webhook "validation.gatekeeper.sh": failed to call webhook: Post '
            '"https://gatekeeper-webhook-service.gatekeeper-system.svc:443/v1/admit": context deadline exceeded'
        )
        error = failure(CREATE, 500, message, "InternalError")
        assert isinstance(error, ServerFault)
        assert "the admission webhook validation.gatekeeper.sh does not answer" in error.what


class TestWhatIsShown:
    @pytest.mark.parametrize(
        "body", [b"", None, b"secret", b'{"kind": "Secret", "data": {"k": "secret"}}', b"[]", b"[" * 99999]
    )
    @pytest.mark.parametrize("status", [400, 403, 404, 500])
    def test_only_a_status_object_speaks(self, body: bytes | None, status: int) -> None:
        error = from_answer(LIST, TARGET, status, body)
        assert "secret" not in str(vars(error))
        assert f"HTTP {status}" in error.what

    def test_a_proxys_refusal_is_not_taken_for_the_servers(self) -> None:
        assert isinstance(from_answer(LIST, TARGET, 403, b"<html>blocked</html>"), Unreachable)

    def test_text_is_bounded_and_harmless(self) -> None:
        error = failure(LIST, 400, "\x1b[2J\u202e" + "x" * 100_000)
        assert len(error.why) <= 1024
        assert error.why.isprintable()

    @given(st.binary(max_size=400), st.integers(min_value=300, max_value=599))
    def test_nothing_that_a_server_sends_breaks_the_translation(self, body: bytes, status: int) -> None:
        assert isinstance(from_answer(LIST, TARGET, status, body), SeccompError)

    @given(
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner) | st.dictionaries(st.sampled_from(["message", "metadata", "reason", "code"]), inner)
            ),
        )
    )
    def test_nor_does_a_strange_status(self, value: object) -> None:
        body = {"kind": "Status", **(value if isinstance(value, dict) else {"message": value, "metadata": value})}
        assert isinstance(from_answer(LIST, TARGET, 403, json.dumps(body).encode()), SeccompError)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request("GET", NODES.path()), "list nodes"),
        (Request("GET", PODS.path("shop", "web-1")), "get pods web-1 in namespace shop"),
        (Request("GET", PODS.path("shop", "web-1") + "/log"), "get pods/log web-1 in namespace shop"),
        (Request("GET", PODS.path("shop"), (("watch", "true"),)), "watch pods in namespace shop"),
        (Request("POST", "/apis/batch/v1/namespaces/shop/jobs"), "create jobs in namespace shop"),
        (Request("DELETE", PODS.path("shop")), "deletecollection pods in namespace shop"),
        (Request("DELETE", NAMESPACES.path(name="shop")), "delete namespaces shop"),
        (Request("GET", "/version"), "get /version"),
    ],
)
def test_a_request_says_what_it_is(request_: Request, words: str) -> None:
    assert str(request_) == words


@pytest.mark.parametrize("name", [".", "..", "a/b", "a%2fb", "../../../nodes"])
def test_a_name_cannot_lead_to_another_path(name: str) -> None:
    with pytest.raises(InvalidInput):
        PODS.path("shop", name)
    with pytest.raises(InvalidInput):
        PODS.path(name, "web-1")
