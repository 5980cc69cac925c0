# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Each way in which a connection fails has words of its own."""

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from azext_seccomp.cluster import kube
from azext_seccomp.cluster.connection import Connection
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.request import Request
from azext_seccomp.cluster.target import Target
from azext_seccomp.cluster.tls import client_context
from azext_seccomp.errors import Unreachable, Unsupported
from tests.unit.cluster.certificates import Authority
from tests.unit.cluster.scripted import Exchange, Script, Server

Serve = Callable[[Script], Server]
ClientOf = Callable[..., OfficialClient]


def answer(exchange: Exchange) -> None:
    exchange.json({"peer": exchange.request.peer})


def failure(target: Target, authority: Authority, proxy: str = "") -> Unreachable:
    client = OfficialClient(Connection(target, client_context(authority.pem), proxy_url=proxy))
    with pytest.raises(Unreachable) as caught:
        client.get("/version")
    return caught.value


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes no more connections: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        waiting = [socket.socket() for _ in range(4)]
        for connection in waiting:
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", port))
        yield port
        for connection in waiting:
            connection.close()


@pytest.fixture
def no_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_refused(closed_port: int, authority: Authority) -> None:
    error = failure(Target(f"https://127.0.0.1:{closed_port}", cluster="shop"), authority)
    assert error.what == "The API server of cluster shop refuses connections."
    assert "HTTPS_PROXY" in error.fix


def test_no_answer(silent_port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "CONNECT_SECONDS", 0.2)
    assert "does not answer" in failure(Target(f"https://127.0.0.1:{silent_port}"), authority).what


def test_no_answer_to_the_tls_greeting(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(Target(f"https://127.0.0.1:{silent.getsockname()[1]}"), authority)
    assert "did not answer in time" in error.what


def test_address_not_authorized(silent_port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "CONNECT_SECONDS", 0.2)
    target = Target(f"https://127.0.0.1:{silent_port}", cluster="shop", resource_group="rg", address_ranges=True)
    error = failure(target, authority)
    assert "authorized IP ranges" in error.why
    assert "az aks update -g rg -n shop --api-server-authorized-ip-ranges" in error.fix


@pytest.mark.usefixtures("no_dns")
def test_unknown_name(authority: Authority) -> None:
    error = failure(Target("https://shop-1a2b.hcp.westeurope.azmk8s.io:443", cluster="shop"), authority)
    assert error.what == "The name of the API server, shop-1a2b.hcp.westeurope.azmk8s.io, cannot be resolved."


@pytest.mark.usefixtures("no_dns")
@pytest.mark.parametrize("run_command", [True, False])
def test_private_cluster(run_command: bool, authority: Authority) -> None:
    server = "https://shop-1a2b.privatelink.westeurope.azmk8s.io:443"
    error = failure(Target(server, cluster="shop", resource_group="rg", run_command=run_command), authority)
    assert error.what == "The API server of cluster shop cannot be reached from here: the cluster is private."
    assert "virtual network" in error.fix
    assert ("az aks command invoke -g rg -n shop" in error.fix) is run_command


def test_private_cluster_whose_name_is_public(closed_port: int, authority: Authority) -> None:
    target = Target(f"https://127.0.0.1:{closed_port}", cluster="shop", resource_group="rg", private=True)
    assert "the cluster is private" in failure(target, authority).what


def test_certificate_of_somebody_else(serve: Serve) -> None:
    error = failure(Target(serve(answer).url, cluster="shop"), Authority("another"))
    assert "did not issue" in error.what
    assert "NO_PROXY" in error.fix


def test_no_tls_at_all(authority: Authority) -> None:
    def greet() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=greet, daemon=True).start()
        error = failure(Target(f"https://127.0.0.1:{listener.getsockname()[1]}"), authority)
    assert error.what == "No TLS connection to 127.0.0.1."


def test_silence_after_the_request(serve: Serve, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(serve(lambda exchange: exchange.hold()))
    request = Request("GET", "/version", read_seconds=0.1)
    with pytest.raises(Unreachable, match="did not answer in time"):
        client._request(request)


class TestProxy:
    """CONNECT proxies, as an office network has them."""

    @staticmethod
    @contextmanager
    def running(status: bytes, reached: list[bytes]) -> Iterator[int]:
        def pump(source: socket.socket, sink: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        def serve() -> None:
            with suppress(OSError):
                client, _ = listener.accept()
                head = b""
                while b"\r\n\r\n" not in head:
                    head += client.recv(4096)
                reached.append(head)
                client.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
                if status.startswith(b"200"):
                    host, port = head.split(b" ")[1].decode().split(":")
                    upstream = socket.create_connection((host, int(port)))
                    threading.Thread(target=pump, args=(upstream, client), daemon=True).start()
                    pump(client, upstream)
                client.close()

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=serve, daemon=True).start()
            yield int(listener.getsockname()[1])

    def test_is_taken_from_the_environment(
        self, serve: Serve, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reached: list[bytes] = []
        server = serve(answer)
        with self.running(b"200 OK", reached) as port:
            monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass%21@127.0.0.1:{port}")
            assert client_of(server).get("/version") == {"peer": ""}
        assert reached[0].startswith(f"CONNECT 127.0.0.1:{server.port} ".encode())
        assert base64.b64encode(b"user:pass!") in reached[0]

    def test_may_lack_its_scheme(self, serve: Serve, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch) -> None:
        with self.running(b"200 OK", []) as port:
            monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{port}")
            assert client_of(serve(answer)).get("/version") == {"peer": ""}

    def test_of_another_kind_is_refused(
        self, serve: Serve, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@127.0.0.1:1080")
        with pytest.raises(Unsupported) as caught:
            client_of(serve(answer))
        assert "secret" not in str(vars(caught.value))

    def test_no_proxy_is_respected(
        self, serve: Serve, client_of: ClientOf, closed_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
        assert client_of(serve(answer)).get("/version") == {"peer": ""}

    def test_of_the_kubeconfig_comes_first(self, closed_port: int, authority: Authority) -> None:
        error = failure(Target("https://127.0.0.1:1"), authority, proxy=f"http://user:secret@127.0.0.1:{closed_port}")
        assert "through the proxy" in error.what
        assert "secret" not in str(vars(error))

    def test_that_refuses_is_named(self, serve: Serve, authority: Authority) -> None:
        with self.running(b"407 Proxy Authentication Required", []) as port:
            error = failure(Target(serve(answer).url), authority, proxy=f"http://127.0.0.1:{port}")
        assert "through the proxy" in error.what
        assert "407" in error.why
