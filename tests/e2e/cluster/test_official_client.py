# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The client against a real API server: paging, watches, logs, permissions, policies."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from azext_seccomp.cluster.connection import Connection, connection
from azext_seccomp.cluster.credentials import Credentials, parse_kubeconfig
from azext_seccomp.cluster.interface import CONFIG_MAPS, NAMESPACES, NODES, PODS
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.namespace import new_session_id
from azext_seccomp.cluster.target import Target
from azext_seccomp.cluster.tls import client_context
from azext_seccomp.cluster.tokens import FixedToken
from azext_seccomp.errors import Conflict, Forbidden, InvalidInput, NotFound, SeccompError, Unauthenticated, WrongState
from tests.e2e.cluster.cutting import cut_way
from tests.stand.cluster import Stand
from tests.unit.cluster.certificates import Authority
from tests.unit.cluster.scripted import Exchange, serving

pytestmark = pytest.mark.cluster

TOOLS = "localhost/aks-stand/tools:1"


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    stand = Stand()
    stand.up(2)
    return parse_kubeconfig(stand.kubeconfig.read_bytes())


@pytest.fixture
def kube(credentials: Credentials) -> Iterator[OfficialClient]:
    client = OfficialClient(connection(credentials, Target(credentials.server)), page_size=2)
    yield client
    client.close()


@pytest.fixture
def namespace(kube: OfficialClient) -> Iterator[str]:
    name = f"client-{new_session_id()}"
    kube.create(NAMESPACES.path(), {"metadata": {"name": name, "labels": {"client-test": name}}})
    wait_for(lambda: any_default_account(kube, name))
    yield name
    kube.delete(NAMESPACES.path(name=name))


@pytest.fixture
def limited(kube: OfficialClient, credentials: Credentials, namespace: str) -> Iterator[OfficialClient]:
    """Somebody who may do nothing."""
    accounts = kube.resource("v1", "ServiceAccount")
    kube.create(accounts.path(namespace), {"metadata": {"name": "nobody"}})
    request = kube.create(f"{accounts.path(namespace, 'nobody')}/token", {"spec": {"expirationSeconds": 3600}})
    client = with_token(credentials, request["status"]["token"])
    yield client
    client.close()


def with_token(credentials: Credentials, token: str) -> OfficialClient:
    context = client_context(credentials.authority)
    return OfficialClient(Connection(Target(credentials.server), context, FixedToken(token)))


def wait_for(done: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.1)


def any_default_account(kube: OfficialClient, namespace: str) -> bool:
    try:
        return bool(kube.get(kube.resource("v1", "ServiceAccount").path(namespace, "default")).get("secrets"))
    except NotFound:
        return False


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


def pod(name: str, script: str) -> dict[str, Any]:
    container = {"name": "main", "image": TOOLS, "imagePullPolicy": "Never", "command": ["sh", "-c", script]}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"metadata": {"name": name}, "spec": spec}


def run(kube: OfficialClient, namespace: str, name: str, script: str) -> None:
    kube.create(PODS.path(namespace), pod(name, script))
    wait_for(lambda: kube.get(PODS.path(namespace, name))["status"]["phase"] in ("Running", "Succeeded"))


class TestObjects:
    def test_small_pages_make_the_whole_list(self, kube: OfficialClient, namespace: str) -> None:
        wanted = {f"map-{number}" for number in range(7)}
        for name in wanted:
            kube.create(CONFIG_MAPS.path(namespace), config_map(name, a="b"))
        found = list(kube.list(CONFIG_MAPS.path(namespace), labels="a=b"))
        assert sorted(item["metadata"]["name"] for item in found) == sorted(wanted)
        assert {item["kind"] for item in found} == {"ConfigMap"}
        assert len(list(kube.list(NODES.path()))) == 2
        one = list(kube.list(CONFIG_MAPS.path(namespace), fields="metadata.name=map-3"))
        assert [item["metadata"]["name"] for item in one] == ["map-3"]

    def test_a_dry_run_checks_and_leaves_nothing(self, kube: OfficialClient, namespace: str) -> None:
        kube.create(PODS.path(namespace), pod("p", "true"), dry_run=True)
        with pytest.raises(NotFound):
            kube.get(PODS.path(namespace, "p"))
        with pytest.raises(InvalidInput, match="spec.containers: Required value"):
            kube.create(PODS.path(namespace), {"metadata": {"name": "p"}, "spec": {}}, dry_run=True)

    def test_patch_and_replace(self, kube: OfficialClient, namespace: str) -> None:
        path = CONFIG_MAPS.path(namespace, "m")
        created = kube.create(CONFIG_MAPS.path(namespace), config_map("m"))
        assert kube.patch(path, {"data": {"a": "1"}})["data"] == {"a": "1"}
        steps = [{"op": "add", "path": "/data/b", "value": "2"}]
        assert kube.patch(path, steps, content_type="application/json-patch+json")["data"] == {"a": "1", "b": "2"}
        with pytest.raises(Conflict):
            kube.replace(path, created)

    def test_a_patch_that_needs_no_answer_gets_the_metadata_alone(self, kube: OfficialClient, namespace: str) -> None:
        path = CONFIG_MAPS.path(namespace, "m")
        kube.create(CONFIG_MAPS.path(namespace), {**config_map("m"), "data": {"large": "x" * 500_000}})
        answer = kube.patch(path, {"metadata": {"annotations": {"a": "b"}}}, metadata_only=True)
        assert (answer["metadata"]["annotations"], set(answer)) == ({"a": "b"}, {"apiVersion", "kind", "metadata"})
        assert len(kube.get(path)["data"]["large"]) == 500_000
        with pytest.raises(NotFound, match="other"):
            kube.patch(CONFIG_MAPS.path(namespace, "other"), {}, metadata_only=True)

    def test_a_second_object_of_that_name(self, kube: OfficialClient, namespace: str) -> None:
        kube.create(CONFIG_MAPS.path(namespace), config_map("m"))
        with pytest.raises(Conflict, match="already exists"):
            kube.create(CONFIG_MAPS.path(namespace), config_map("m"))

    def test_only_the_object_with_that_uid_is_deleted(self, kube: OfficialClient, namespace: str) -> None:
        path = CONFIG_MAPS.path(namespace, "m")
        uid = kube.create(CONFIG_MAPS.path(namespace), config_map("m"))["metadata"]["uid"]
        with pytest.raises(Conflict):
            kube.delete(path, uid="00000000-0000-0000-0000-000000000000")
        assert kube.delete(path, uid=uid) is True
        assert kube.delete(path) is False

    def test_deleting_by_label_leaves_the_others(self, kube: OfficialClient, namespace: str) -> None:
        for name, value in (("a", "x"), ("b", "x"), ("c", "y")):
            kube.create(CONFIG_MAPS.path(namespace), config_map(name, k=value))
        assert kube.delete(CONFIG_MAPS.path(namespace), labels="k=x") is True
        left = [item["metadata"]["name"] for item in kube.list(CONFIG_MAPS.path(namespace), labels="k")]
        assert left == ["c"]

    def test_discovery(self, kube: OfficialClient) -> None:
        assert kube.resource("v1", "Pod") == PODS
        assert kube.resource("apps/v1", "DaemonSet").path("a", "b") == "/apis/apps/v1/namespaces/a/daemonsets/b"
        assert not kube.resource("rbac.authorization.k8s.io/v1", "ClusterRole").namespaced
        for version, kind in (("v1", "Nothing"), ("nothing.example/v1", "Pod"), ("apps/v9", "DaemonSet")):
            with pytest.raises(NotFound):
                kube.resource(version, kind)


class TestPermissions:
    def test_what_is_missing_is_named(self, limited: OfficialClient, namespace: str) -> None:
        attempts: list[tuple[Callable[[], Any], str]] = [
            (lambda: list(limited.list(NODES.path())), "You may not list nodes at the cluster scope."),
            (
                lambda: limited.create(PODS.path(namespace), pod("p", "true")),
                f"You may not create pods in namespace {namespace}.",
            ),
            (
                lambda: list(limited.follow_log(namespace, "p", "main")),
                f"You may not get pods/log in namespace {namespace}.",
            ),
            (
                lambda: limited.delete(CONFIG_MAPS.path(namespace), labels="a=b"),
                f"You may not deletecollection configmaps in namespace {namespace}.",
            ),
            (
                lambda: limited.patch("/apis/apps/v1/namespaces/x/deployments/y", {}),
                "You may not patch deployments.apps in namespace x.",
            ),
        ]
        for attempt, words in attempts:
            with pytest.raises(Forbidden) as caught:
                attempt()
            assert caught.value.what == words
            assert "kubectl auth can-i" in caught.value.fix

    def test_a_token_that_nobody_issued(self, credentials: Credentials) -> None:
        with pytest.raises(Unauthenticated):
            with_token(credentials, "not-a-token").get(NODES.path())


class TestPolicies:
    def test_a_webhook_speaks_for_itself(self, kube: OfficialClient, namespace: str) -> None:
        words = "[azurepolicy-noprivilege-1a2b] Privileged container is not allowed: ig"

        def deny(exchange: Exchange) -> None:
            review = exchange.request.body
            answer = {"uid": review["request"]["uid"], "allowed": False, "status": {"message": words, "code": 403}}
            exchange.json({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": answer})

        authority = Authority("webhook")
        with serving(deny, authority) as server:
            path = kube.resource("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration").path()
            kube.create(path, webhook(namespace, server.url, authority))
            try:
                with pytest.raises(Forbidden) as caught:
                    self.until_refused(kube, namespace)
            finally:
                kube.delete(f"{path}/{namespace}")
        assert caught.value.what.startswith("The admission webhook validation.gatekeeper.sh denies")
        assert caught.value.why == words
        assert "az aks safeguards update" in caught.value.fix

    @staticmethod
    def until_refused(kube: OfficialClient, namespace: str) -> None:
        """The API server learns of a webhook within a second or two."""
        for _ in range(100):
            kube.create(CONFIG_MAPS.path(namespace), config_map("m"), dry_run=True)
            time.sleep(0.1)

    def test_a_quota_speaks_for_itself(self, kube: OfficialClient, namespace: str) -> None:
        quotas = kube.resource("v1", "ResourceQuota").path(namespace)
        kube.create(quotas, {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}})
        wait_for(lambda: "hard" in kube.get(f"{quotas}/small").get("status", {}))
        with pytest.raises(Forbidden, match="A quota or limit range denies") as caught:
            kube.create(PODS.path(namespace), pod("p", "true"))
        assert caught.value.why.startswith("exceeded quota: small")

    def test_a_namespace_on_its_way_out(self, kube: OfficialClient, namespace: str) -> None:
        kube.create(CONFIG_MAPS.path(namespace), {"metadata": {"name": "stays", "finalizers": ["test.example/stay"]}})
        kube.delete(NAMESPACES.path(name=namespace))
        try:
            with pytest.raises(WrongState, match=f"namespace {namespace} is being deleted"):
                kube.create(CONFIG_MAPS.path(namespace), config_map("late"))
        finally:
            kube.patch(CONFIG_MAPS.path(namespace, "stays"), {"metadata": {"finalizers": None}})


def webhook(namespace: str, url: str, authority: Authority) -> dict[str, Any]:
    return {
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "validation.gatekeeper.sh",
                "clientConfig": {"url": f"{url}/admit", "caBundle": base64.b64encode(authority.pem).decode()},
                "rules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
                ],
                "namespaceSelector": {"matchLabels": {"client-test": namespace}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
            }
        ],
    }


class TestWatch:
    def test_nothing_is_missed_or_doubled_across_cuts(
        self, kube: OfficialClient, credentials: Credentials, namespace: str
    ) -> None:
        stop = threading.Event()
        with cut_way(urlsplit(credentials.server).port or 443) as way, ThreadPoolExecutor(1) as pool:
            through = replace(credentials, server=f"https://127.0.0.1:{way.port}")
            watcher = OfficialClient(connection(through, Target(through.server)))
            events = watcher.watch(CONFIG_MAPS.path(namespace), labels="w=1", stop=stop, timeout_seconds=60)
            watching = pool.submit(
                lambda: [(event.type, event.object["metadata"]["name"]) for event in until_last(events)]
            )
            cuts = 0
            for number in range(40):
                kube.create(CONFIG_MAPS.path(namespace), config_map(f"m{number}", w="1"))
                if number % 8 == 0:
                    time.sleep(0.3)
                    cuts += way.cut()
            kube.delete(CONFIG_MAPS.path(namespace, "m3"))
            kube.create(CONFIG_MAPS.path(namespace), config_map("last", w="1"))
            found = watching.result(60)
            watcher.close()
        assert cuts >= 3, "the cuts hit the watch"
        added = [name for kind, name in found if kind == "ADDED"]
        assert sorted(added) == sorted([*(f"m{number}" for number in range(40)), "last"])
        assert [event for event in found if event[0] != "ADDED"] == [("DELETED", "m3")]

    def test_objects_come_as_they_are_now_and_then_change(self, kube: OfficialClient, namespace: str) -> None:
        kube.create(CONFIG_MAPS.path(namespace), config_map("a", w="1"))
        path = CONFIG_MAPS.path(namespace)
        events: Any = kube.watch(path, labels="w=1", stop=threading.Event(), timeout_seconds=20)
        assert next(events).type == "ADDED"
        kube.patch(CONFIG_MAPS.path(namespace, "a"), {"data": {"k": "v"}})
        changed = next(events)
        assert (changed.type, changed.object["data"]) == ("MODIFIED", {"k": "v"})
        kube.patch(CONFIG_MAPS.path(namespace, "a"), {"metadata": {"labels": {"w": None}}})
        assert next(events).type == "DELETED", "it left the selection"
        events.close()


def until_last(events: Any) -> Iterator[Any]:
    for event in events:
        yield event
        if event.object["metadata"]["name"] == "last":
            return


class TestLogs:
    def test_is_followed_until_the_container_ends(self, kube: OfficialClient, namespace: str) -> None:
        run(kube, namespace, "talker", "for i in 1 2 3; do echo line $i; sleep 0.3; done; printf end")
        lines = [line.split(b" ", 1)[1] for line in kube.follow_log(namespace, "talker", "main")]
        assert lines == [b"line 1", b"line 2", b"line 3", b"end"]

    def test_goes_on_from_a_time(self, kube: OfficialClient, namespace: str) -> None:
        run(kube, namespace, "talker", "echo early; sleep 2.1; echo late")
        wait_for(lambda: kube.get(PODS.path(namespace, "talker"))["status"]["phase"] == "Succeeded")
        lines = list(kube.follow_log(namespace, "talker", "main"))
        since = lines[1].split(b" ", 1)[0].decode()
        again = list(kube.follow_log(namespace, "talker", "main", since_time=since))
        assert again == lines[1:]

    @pytest.mark.parametrize("script", ["sleep 60", "echo first; sleep 60"])
    def test_close_ends_a_quiet_stream(self, script: str, kube: OfficialClient, namespace: str) -> None:
        run(kube, namespace, "quiet", script)
        stream = kube.follow_log(namespace, "quiet", "main")
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(lambda: list(stream))
            time.sleep(1)
            assert not reading.done()
            started = time.monotonic()
            stream.close()
            assert len(reading.result(30)) == script.count("echo")
            assert time.monotonic() - started < 10

    def test_a_hundred_streams_at_once_leave_room_for_requests(
        self, kube: OfficialClient, credentials: Credentials, namespace: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        run(kube, namespace, "talker", "echo first; sleep 60")
        client = OfficialClient(connection(credentials, Target(credentials.server)))
        streams = [client.follow_log(namespace, "talker", "main") for _ in range(100)]
        heard = threading.Semaphore(0)

        def read(stream: Any) -> set[bytes]:
            # a set: a kubelet that sees the file created reads it from the start again (1.20, kuberuntime/logs.go)
            lines = set()
            for line in stream:
                lines.add(line)
                heard.release()
            return lines

        with ThreadPoolExecutor(len(streams)) as pool:
            reading = [pool.submit(read, stream) for stream in streams]
            for _ in streams:
                assert heard.acquire(timeout=60)
            started = time.monotonic()
            client.get(PODS.path(namespace, "talker"))
            assert time.monotonic() - started < 20
            client.close()
            assert [len(stream.result(30)) for stream in reading] == [1] * len(streams)
        assert caplog.messages == [], "urllib3 warns of connections that it cannot keep"

    def test_a_pod_that_is_not_there(self, kube: OfficialClient, namespace: str) -> None:
        with pytest.raises(NotFound):
            list(kube.follow_log(namespace, "nobody", "main"))

    def test_a_pod_that_does_not_start(self, kube: OfficialClient, namespace: str) -> None:
        manifest = pod("stuck", "true")
        manifest["spec"]["containers"][0]["image"] = "localhost/not-there:1"
        kube.create(PODS.path(namespace), manifest)

        def refusal() -> str:
            try:
                return str(list(kube.follow_log(namespace, "stuck", "main")))
            except SeccompError as error:
                return error.why

        wait_for(lambda: "waiting to start" in refusal())
