# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Real services of Debian under RuntimeDefault: they serve, and what the profile means for them is found."""

import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from azext_seccomp.profile.model import Profile
from azext_seccomp.profile.source import Options, runtime_default
from tests.kernel.attempts import counts, try_, wait_until
from tests.stand.cluster.packages import ensure_installed
from tests.stand.cluster.shell import StandError

pytestmark = pytest.mark.kernel

SECONDS = 4.0
NGINX = """
daemon off;
worker_processes 2;
pid {directory}/pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    server {{ listen unix:{directory}/socket; location / {{ return 200 "served\\n"; }} }}
}}
"""


@pytest.fixture(scope="module", autouse=True)
def _services() -> None:
    try:
        ensure_installed("nginx", "redis-server")
    except (StandError, PermissionError) as error:
        pytest.skip(f"nginx and redis are not installed, and cannot be: {error}")


@pytest.fixture(params=["1.6.20", "2.1.4"])
def under(request: pytest.FixtureRequest) -> Profile:
    """RuntimeDefault of a version of containerd."""
    return runtime_default(Options(containerd_version=request.param)).profile


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Where the workers, which run as another user, may go."""
    for path in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(path, 0o755)
    yield tmp_path


@pytest.mark.parametrize("enforce", [False, True])
def test_nginx(under: Profile, directory: Path, enforce: bool) -> None:
    (directory / "nginx.conf").write_text(NGINX.format(directory=directory))
    with Client(directory / "socket", _http) as client:
        report = try_(under, f"/usr/sbin/nginx -c {directory}/nginx.conf", seconds=SECONDS, enforce=enforce)
    assert client.answers == [b"served\n"] * Client.REQUESTS
    assert report["command"]["exitCode"] == 0, "it shuts down on SIGTERM"
    assert report["command"]["leftBehind"] == 0
    assert (report["verdict"], report["findings"]) == ("clean", [])


@pytest.mark.parametrize("enforce", [False, True])
def test_redis(under: Profile, directory: Path, enforce: bool) -> None:
    """It has threads, for which glibc asks for clone3 first: the fallback that everything with threads has."""
    command = f"/usr/bin/redis-server --port 0 --unixsocket {directory}/socket --dir {directory} --save 1 1"
    with Client(directory / "socket", _redis) as client:
        report = try_(under, command, seconds=SECONDS, enforce=enforce)
    assert client.answers == [b"+OK\r\n"] * Client.REQUESTS
    assert report["command"]["exitCode"] == 0
    assert (directory / "dump.rdb").exists(), "its child has saved"
    assert report["verdict"] == "fallback"
    assert {syscall for _, syscall in counts(report)} == {"clone3"}


class Client:
    """A client that asks a service as soon as it listens, and keeps the answers."""

    REQUESTS = 50

    def __init__(self, path: Path, ask: Callable[[str], bytes]) -> None:
        self._path = path
        self._ask = ask
        self.answers: list[bytes] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._thread.join()

    def _run(self) -> None:
        wait_until(self._path.exists)
        time.sleep(0.2)  # between bind and listen
        for _ in range(self.REQUESTS):
            self.answers.append(self._ask(str(self._path)))


def _http(path: str) -> bytes:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = _connected(path)
    connection.request("GET", "/")
    return connection.getresponse().read()


def _redis(path: str) -> bytes:
    with _connected(path) as connection:
        connection.sendall(b"SET key value\r\n")
        return connection.recv(64)


def _connected(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(path)
    return connection
