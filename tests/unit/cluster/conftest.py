# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
from collections.abc import Callable, Iterator

import pytest

from azext_seccomp.cluster import retry, watch
from azext_seccomp.cluster.connection import Connection
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.target import Target
from azext_seccomp.cluster.tls import client_context
from azext_seccomp.cluster.tokens import TokenSource
from tests.unit.cluster.certificates import Authority
from tests.unit.cluster.scripted import Script, Server


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def serve(authority: Authority) -> Iterator[Callable[[Script], Server]]:
    """Starts scripted servers and ends them with the test."""
    servers: list[Server] = []

    def start(script: Script) -> Server:
        servers.append(Server(script, authority))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def client_of() -> Iterator[Callable[..., OfficialClient]]:
    """Makes clients of scripted servers and closes them with the test."""
    clients: list[OfficialClient] = []

    def make(
        server: Server, tokens: TokenSource | None = None, *, page_size: int = 500, **told: object
    ) -> OfficialClient:
        target = Target(server.url, **told)  # type: ignore[arg-type]
        clients.append(
            OfficialClient(Connection(target, client_context(server.authority.pem), tokens), page_size=page_size)
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """Repetitions come at once; the delays that the server asked for are recorded."""
    asked: list[float | None] = []

    def delay_before(attempt: int, asked_for: float | None = None) -> float:
        asked.append(asked_for)
        return 0.01

    monkeypatch.setattr(retry, "delay_before", delay_before)
    monkeypatch.setattr(watch, "_LEAST_SECONDS", 0.01)
    return asked


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
