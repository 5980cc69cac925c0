# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The fake Azure: what tests lean on when they trust it."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.stand.arm import ArmStand, Fault
from tests.stand.arm.http import Request
from tests.stand.arm.identities import ADMIN, AKS_SERVER_APP, ARM_AUDIENCES, LIMITED, SUBSCRIPTION
from tests.stand.arm.tokens import Issuer
from tests.stand.cluster import Layout

KEY = b"k" * 32
CLUSTERS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg1/providers/Microsoft.ContainerService/managedClusters"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArmStand]:
    with ArmStand(Layout(state=tmp_path_factory.mktemp("arm")), port=0) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(stand: ArmStand) -> None:
    stand.reset()


def ask(stand: ArmStand, path: str, method: str = "GET", token: str | None = None) -> tuple[int, object]:
    token = stand.issuer.issue(ARM_AUDIENCES[0], ADMIN) if token is None else token
    headers = {"authorization": f"Bearer {token}"}
    response = stand.answer(Request(method, path, {"api-version": "2026-06-01"}, headers))
    return response.status, response.body


def review(stand: ArmStand, token: str) -> dict[str, object]:
    body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}}).encode()
    response = stand.answer(Request("POST", "/_stand/tokenreview", body=body))
    status: dict[str, object] = response.body["status"]
    return status


class TestTokens:
    def test_own_token_is_read(self) -> None:
        claims = Issuer(KEY).read(Issuer(KEY).issue("audience", ADMIN))
        assert claims is not None
        assert (claims["aud"], claims["oid"], claims["groups"]) == ("audience", ADMIN.object_id, list(ADMIN.groups))

    @pytest.mark.parametrize("token", ["", "a.b.c", "....", "é.ü.ö"])
    def test_nonsense_is_refused(self, token: str) -> None:
        assert Issuer(KEY).read(token) is None

    def test_other_key_is_refused(self) -> None:
        assert Issuer(KEY).read(Issuer(b"o" * 32).issue("audience", ADMIN)) is None

    def test_expired_token_is_refused(self) -> None:
        assert Issuer(KEY).read(Issuer(KEY).issue("audience", ADMIN, expires_in=-1)) is None

    def test_key_is_shared_by_file(self, tmp_path: Path) -> None:
        file = tmp_path / "key"
        token = Issuer.of_file(file).issue("audience", ADMIN)
        assert Issuer.of_file(file).read(token)
        assert file.stat().st_mode & 0o777 == 0o600


class TestEntra:
    def token(self, stand: ArmStand, **form: str) -> tuple[int, object]:
        response = stand.answer(Request("POST", "/adfs/oauth2/token", body=urlencode(form).encode()))
        return response.status, response.body

    def test_wrong_secret(self, stand: ArmStand) -> None:
        status, _ = self.token(stand, client_id=ADMIN.name, client_secret="wrong", scope=f"{AKS_SERVER_APP}/.default")
        assert status == 401

    def test_unknown_resource(self, stand: ArmStand) -> None:
        status, _ = self.token(stand, client_id=ADMIN.name, client_secret=ADMIN.secret, scope="other/.default")
        assert status == 400

    def test_api_server_learns_name_and_groups(self, stand: ArmStand) -> None:
        status = review(stand, stand.issuer.issue(AKS_SERVER_APP, LIMITED))
        user = {"username": LIMITED.object_id, "uid": LIMITED.object_id, "groups": list(LIMITED.groups)}
        assert status == {"authenticated": True, "user": user}

    def test_api_server_refuses_a_token_for_resource_manager(self, stand: ArmStand) -> None:
        assert review(stand, stand.issuer.issue(ARM_AUDIENCES[0], ADMIN)) == {"authenticated": False}


class TestResourceManager:
    def test_refuses_a_token_for_the_api_server(self, stand: ArmStand) -> None:
        status, _ = ask(stand, CLUSTERS, token=stand.issuer.issue(AKS_SERVER_APP, ADMIN))
        assert status == 401

    def test_names_are_not_case_sensitive(self, stand: ArmStand) -> None:
        assert ask(stand, f"{CLUSTERS.lower()}/PLAIN")[0] == 200

    def test_fault_happens_as_often_as_ordered(self, stand: ArmStand) -> None:
        stand.faults.add(Fault("managedClusters/plain$", 429, times=2))
        assert [ask(stand, f"{CLUSTERS}/{name}")[0] for name in ("plain", "entra", "plain", "plain")] == [
            429, 200, 429, 200,
        ]  # fmt: skip

    def test_requests_are_logged_without_secrets(self, stand: ArmStand) -> None:
        ask(stand, f"{CLUSTERS}/plain/listClusterAdminCredential", "POST")
        (asked,) = stand.requests
        assert (asked.method, asked.status) == ("POST", 200)
        assert "Bearer" not in repr(asked)
