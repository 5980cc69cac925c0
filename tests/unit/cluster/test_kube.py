# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The client against a real HTTPS server: what it sends, when it sends again, what it never does."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from azext_seccomp.cluster.interface import NODES, PODS
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.tokens import AccessToken, FixedToken, RenewedToken
from azext_seccomp.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    SeccompError,
    ServerFault,
    Unauthenticated,
    Unreachable,
)
from tests.unit.cluster.scripted import Exchange, Script, Server, in_turn

Serve = Callable[[Script], Server]
ClientOf = Callable[..., OfficialClient]
PATH = PODS.path("shop", "web-1")


def answer(exchange: Exchange) -> None:
    exchange.json({"kind": "Pod", "metadata": {"name": "web-1"}})


def tear(exchange: Exchange) -> None:
    exchange.tear()


def page(*names: str, resume: str = "") -> Script:
    items = [{"metadata": {"name": name}} for name in names]
    metadata = {"resourceVersion": "7", **({"continue": resume} if resume else {})}
    return lambda exchange: exchange.json(
        {"kind": "NodeList", "apiVersion": "v1", "metadata": metadata, "items": items}
    )


def names(items: Any) -> list[str]:
    return [item["metadata"]["name"] for item in items]


class TestReading:
    def test_a_list_is_read_page_by_page(self, serve: Serve, client_of: ClientOf) -> None:
        server = serve(in_turn(page("a", "b", resume="t1"), page("c", resume="t2"), page("d")))
        items = list(client_of(server, page_size=2).list(NODES.path(), labels="a=b", fields="x=y"))
        assert names(items) == ["a", "b", "c", "d"]
        assert items[0]["kind"] == "Node"
        assert items[0]["apiVersion"] == "v1"
        assert [request.query.get("continue") for request in server.seen] == [None, "t1", "t2"]
        assert all(request.query.get("limit") == "2" for request in server.seen)
        assert all(
            request.query["labelSelector"] == "a=b" and request.query["fieldSelector"] == "x=y"
            for request in server.seen
        )

    def test_an_expired_continue_token_goes_on_without_doubling(self, serve: Serve, client_of: ClientOf) -> None:
        def expired(exchange: Exchange) -> None:
            status = {
                "kind": "Status",
                "code": 410,
                "reason": "Expired",
                "message": "too old",
                "metadata": {"continue": "t2"},
            }
            exchange.json(status, 410)

        server = serve(in_turn(page("a", resume="t1"), expired, page("b")))
        assert names(client_of(server).list(NODES.path())) == ["a", "b"]
        assert server.seen[2].query["continue"] == "t2"

    def test_an_answer_that_is_no_json_object_is_the_servers_fault(self, serve: Serve, client_of: ClientOf) -> None:
        for body in (b"<html>", b"[]", b"", b"[" * 100_000):
            with pytest.raises(ServerFault):
                client_of(serve(lambda exchange, body=body: exchange.raw(body))).get(PATH)  # type: ignore[misc]

    def test_many_threads_share_a_client(self, serve: Serve, client_of: ClientOf) -> None:
        def echo(exchange: Exchange) -> None:
            exchange.json({"kind": "Pod", "metadata": {"name": exchange.request.path.rsplit("/", 1)[1]}})

        client = client_of(serve(echo))
        wanted = [f"pod-{number}" for number in range(200)]
        with ThreadPoolExecutor(16) as pool:
            found = pool.map(lambda name: client.get(PODS.path("shop", name)), wanted)
            assert names(found) == wanted


class TestWriting:
    def test_a_dry_run_says_so(self, serve: Serve, client_of: ClientOf) -> None:
        server = serve(answer)
        client = client_of(server)
        client.create(PODS.path("shop"), {"metadata": {"name": "web-1"}}, dry_run=True)
        client.create(PODS.path("shop"), {"metadata": {"name": "web-1"}})
        assert [request.query for request in server.seen] == [{"dryRun": "All"}, {}]
        assert server.seen[0].body == {"metadata": {"name": "web-1"}}

    def test_a_patch_carries_its_type_and_body(self, serve: Serve, client_of: ClientOf) -> None:
        server = serve(answer)
        steps = [{"op": "remove", "path": "/metadata/labels/a"}]
        client_of(server).patch(PATH, steps, content_type="application/json-patch+json")
        client_of(server).patch(PATH, {"metadata": {"labels": None}})
        assert [request.headers["Content-Type"] for request in server.seen] == [
            "application/json-patch+json",
            "application/merge-patch+json",
        ]
        assert [request.body for request in server.seen] == [steps, {"metadata": {"labels": None}}]

    def test_a_patch_can_do_without_the_object(self, serve: Serve, client_of: ClientOf) -> None:
        server = serve(answer)
        client_of(server).patch(PATH, {}, metadata_only=True)
        client_of(server).patch(PATH, {})
        assert [request.headers["Accept"] for request in server.seen] == [
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json, */*",
            "application/json, */*",
        ]

    def test_deleting_carries_grace_and_precondition(self, serve: Serve, client_of: ClientOf) -> None:
        server = serve(answer)
        assert client_of(server).delete(PATH, grace_seconds=0, uid="u1") is True
        assert server.seen[0].body == {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": "u1"},
        }

    def test_deleting_what_is_not_there_is_no_error(self, serve: Serve, client_of: ClientOf) -> None:
        assert client_of(serve(lambda exchange: exchange.status(404, "gone"))).delete(PATH) is False

    def test_deleting_another_object_of_that_name_is_a_conflict(self, serve: Serve, client_of: ClientOf) -> None:
        with pytest.raises(Conflict):
            client_of(serve(lambda exchange: exchange.status(409, "uid"))).delete(PATH, uid="u1")

    @pytest.mark.parametrize(("path", "labels"), [(PODS.path("shop"), ""), (PATH, "a=b"), ("/version", "a=b")])
    def test_never_deletes_a_whole_collection(self, path: str, labels: str, serve: Serve, client_of: ClientOf) -> None:
        server = serve(answer)
        with pytest.raises(InvalidInput):
            client_of(server).delete(path, labels=labels)
        assert server.seen == []


class TestRepetition:
    def test_waits_as_long_as_the_server_asks(
        self, serve: Serve, client_of: ClientOf, hurried: list[float | None]
    ) -> None:
        def busy(exchange: Exchange) -> None:
            exchange.status(429, "busy", Retry_After="3")

        server = serve(in_turn(busy, busy, answer))
        client_of(server).create(PODS.path("shop"), {"metadata": {"name": "web-1"}})
        assert hurried == [3.0, 3.0]
        assert len(server.seen) == 3

    def test_gives_up_on_a_server_that_stays_busy(
        self, serve: Serve, client_of: ClientOf, hurried: list[float | None]
    ) -> None:
        server = serve(lambda exchange: exchange.status(429, "busy"))
        with pytest.raises(ServerFault, match="overloaded"):
            client_of(server).get(PATH)
        assert len(server.seen) == 5

    @pytest.mark.parametrize("failing", [tear, lambda exchange: exchange.status(503, "starting")])
    def test_a_read_is_repeated(
        self, failing: Script, serve: Serve, client_of: ClientOf, hurried: list[float | None]
    ) -> None:
        server = serve(in_turn(answer, failing, failing, answer))
        client = client_of(server)
        client.get(PATH)
        assert client.get(PATH)["kind"] == "Pod"
        assert len(server.seen) == 4

    @pytest.mark.parametrize("failing", [tear, lambda exchange: exchange.status(500, "crashed")])
    def test_a_creation_is_not(
        self, failing: Script, serve: Serve, client_of: ClientOf, hurried: list[float | None]
    ) -> None:
        server = serve(in_turn(answer, failing, answer))
        client = client_of(server)
        client.get(PATH)
        with pytest.raises(SeccompError) as caught:
            client.create(PODS.path("shop"), {"metadata": {"name": "web-1"}})
        assert isinstance(caught.value, ServerFault) or "not known whether" in caught.value.why
        assert len(server.seen) == 2

    def test_its_dry_run_is(self, serve: Serve, client_of: ClientOf, hurried: list[float | None]) -> None:
        server = serve(in_turn(answer, tear, answer))
        client = client_of(server)
        client.get(PATH)
        client.create(PODS.path("shop"), {}, dry_run=True)
        assert len(server.seen) == 3

    def test_a_replacement_is_unless_it_names_a_version(
        self, serve: Serve, client_of: ClientOf, hurried: list[float | None]
    ) -> None:
        server = serve(in_turn(answer, tear, answer, tear, answer))
        client = client_of(server)
        client.get(PATH)
        client.replace(PATH, {"metadata": {"name": "web-1"}})
        with pytest.raises(Unreachable):
            client.replace(PATH, {"metadata": {"name": "web-1", "resourceVersion": "7"}})
        assert len(server.seen) == 4

    def test_a_server_that_never_answered_is_not_waited_for(self, serve: Serve, client_of: ClientOf) -> None:
        server = serve(tear)
        with pytest.raises(Unreachable):
            client_of(server).get(PATH)
        assert len(server.seen) == 1

    def test_closing_the_client_ends_its_waiting(self, serve: Serve, client_of: ClientOf) -> None:
        waiting = threading.Event()

        def busy(exchange: Exchange) -> None:
            exchange.status(429, "busy", Retry_After="30")
            waiting.set()

        client = client_of(serve(busy))
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(client.get, PATH)
            assert waiting.wait(20)
            client.close()
            with pytest.raises(Unreachable, match="closed"):
                request.result(20)


class TestIdentity:
    def test_a_refused_token_is_renewed_once(self, serve: Serve, client_of: ClientOf) -> None:
        def check(exchange: Exchange) -> None:
            if exchange.request.headers["Authorization"] == "Bearer second":
                answer(exchange)
            else:
                exchange.status(401, "Unauthorized")

        tokens = iter(["first", "second"])
        source = RenewedToken(lambda: AccessToken(next(tokens), 9e9))
        assert client_of(serve(check), source).get(PATH)["kind"] == "Pod"

    def test_a_token_that_stays_refused_is_an_error(self, serve: Serve, client_of: ClientOf) -> None:
        server = serve(lambda exchange: exchange.status(401, "Unauthorized"))
        source = RenewedToken(lambda: AccessToken("the-only-one", 9e9))
        with pytest.raises(Unauthenticated) as caught:
            client_of(server, source, entra=True).get(PATH)
        assert len(server.seen) == 2
        assert "az login" in caught.value.fix
        assert "the-only-one" not in str(vars(caught.value))

    def test_a_redirect_is_not_followed(self, serve: Serve, client_of: ClientOf) -> None:
        elsewhere = serve(answer)
        server = serve(lambda exchange: exchange.raw(b"", 307, Location=elsewhere.url + PATH))
        with pytest.raises(Unreachable, match="307"):
            client_of(server, FixedToken("secret-token")).get(PATH)
        assert elsewhere.seen == []

    def test_no_log_shows_tokens_or_bodies(
        self, serve: Serve, client_of: ClientOf, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server = serve(lambda exchange: exchange.json({"data": {"password": "hidden-value"}}))
        client_of(server, FixedToken("secret-token")).get("/api/v1/namespaces/shop/secrets/db")
        assert caplog.records, "urllib3 logs each request"
        assert "secret-token" not in caplog.text
        assert "hidden-value" not in caplog.text

    def test_a_body_that_is_no_status_is_not_shown(self, serve: Serve, client_of: ClientOf) -> None:
        server = serve(lambda exchange: exchange.raw(b"<html>session=secret-cookie</html>", 403))
        with pytest.raises(Unreachable) as caught:
            client_of(server).get(PATH)
        assert "secret-cookie" not in str(vars(caught.value))
        assert "proxy or firewall" in caught.value.why


class TestDiscovery:
    def test_a_resource_is_found_once(self, serve: Serve, client_of: ClientOf) -> None:
        resources = [
            {"name": "deployments/scale", "kind": "Scale", "namespaced": True},
            {"name": "deployments", "kind": "Deployment", "namespaced": True},
            {"name": "../../evil", "kind": "Evil", "namespaced": True},
        ]
        server = serve(lambda exchange: exchange.json({"kind": "APIResourceList", "resources": resources}))
        client = client_of(server)
        assert (
            client.resource("apps/v1", "Deployment").path("shop", "web")
            == "/apis/apps/v1/namespaces/shop/deployments/web"
        )
        for kind in ("Scale", "Evil", "Nope"):
            with pytest.raises(NotFound):
                client.resource("apps/v1", kind)
        assert [request.path for request in server.seen] == ["/apis/apps/v1"]

    def test_a_group_that_is_not_served(self, serve: Serve, client_of: ClientOf) -> None:
        server = serve(lambda exchange: exchange.raw(b"404 page not found", 404))
        with pytest.raises(NotFound, match=r"does not serve nope\.io/v1"):
            client_of(server).resource("nope.io/v1", "Nope")

    @pytest.mark.parametrize("version", ["", "../v1", "apps/v1/namespaces", "v1?x=y", "Apps/v1", "apps/v1\n"])
    def test_a_version_that_is_none_is_not_asked_for(self, version: str, serve: Serve, client_of: ClientOf) -> None:
        server = serve(answer)
        with pytest.raises(InvalidInput):
            client_of(server).resource(version, "Deployment")
        assert server.seen == []


def test_a_forbidden_request_names_what_is_missing(serve: Serve, client_of: ClientOf) -> None:
    message = 'pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "shop"'
    with pytest.raises(Forbidden) as caught:
        list(client_of(serve(lambda exchange: exchange.status(403, message, "Forbidden"))).list(PODS.path("shop")))
    assert caught.value.what == "You may not list pods in namespace shop."
    assert caught.value.why == message
    assert "kubectl auth can-i list pods -n shop" in caught.value.fix
