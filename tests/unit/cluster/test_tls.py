# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from azext_seccomp.cluster.connection import Connection
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.target import Target
from azext_seccomp.cluster.tls import client_context
from azext_seccomp.errors import InvalidInput, Unreachable
from tests.unit.cluster.certificates import Authority
from tests.unit.cluster.scripted import Exchange, Server, serving


def answer(exchange: Exchange) -> None:
    exchange.json({"peer": exchange.request.peer})


def open_files() -> list[str]:
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return found


class TestClientCertificate:
    def client(self, server: Server, certificate: bytes, key: bytes) -> OfficialClient:
        context = client_context(server.authority.pem, certificate, key)
        return OfficialClient(Connection(Target(server.url), context))

    @pytest.mark.parametrize("in_memory", [True, False])
    def test_identifies_the_caller_and_is_in_no_file(
        self, in_memory: bool, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        if not in_memory:
            monkeypatch.delattr(os, "memfd_create", raising=False)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        issued = authority.issue("operator")
        with monkeypatch.context() as scope, serving(answer, authority, ask_certificate=True) as server:
            if in_memory:
                scope.setattr(tempfile, "mkstemp", None)
            client = self.client(server, issued.certificate, issued.key)
            assert list(tmp_path.iterdir()) == []
            assert client.get("/version") == {"peer": "operator"}
            client.close()
        assert not any("client-key" in name for name in open_files())

    def test_without_one_the_server_ends_the_connection(self, authority: Authority) -> None:
        with serving(answer, authority, ask_certificate=True) as server:
            client = OfficialClient(Connection(Target(server.url), client_context(authority.pem)))
            with pytest.raises(Unreachable):
                client.get("/version")
            assert server.seen == []

    @pytest.mark.parametrize("broken", ["key of another", "encrypted", "cut", "nonsense"])
    def test_that_cannot_be_used_is_refused_without_its_content(self, broken: str, authority: Authority) -> None:
        issued = authority.issue("operator")
        key = {
            "key of another": authority.issue("other").key,
            "encrypted": authority.issue("operator", password=b"pw").key,
            "cut": issued.key[:60],
            "nonsense": b"nonsense",
        }[broken]
        with pytest.raises(InvalidInput) as caught:
            client_context(authority.pem, issued.certificate, key)
        assert "BEGIN" not in str(vars(caught.value))

    @pytest.mark.parametrize(
        "pem", [b"", b"nonsense", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    )
    def test_an_authority_that_cannot_be_read_is_refused(self, pem: bytes) -> None:
        with pytest.raises(InvalidInput):
            client_context(pem)
