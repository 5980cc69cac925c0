# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Each way in which a cluster cannot be reached, and each in which it can: az's exit code and its words."""

import base64
import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stand.arm import ArmStand
from tests.stand.arm.faults import Fault
from tests.stand.arm.identities import ADMIN, LIMITED
from tests.stand.az import AzResult, InProcessAz, InstalledAz
from tests.stand.cluster import Layout, Stand

USER_ERROR, USAGE_ERROR, NOT_FOUND = 1, 2, 3


def list_profiles(az: InProcessAz, cluster: str, *more: str) -> AzResult:
    return az("aks", "seccomp", "profile", "list", "-g", "rg1", "-n", cluster, *more)


class TestWithoutAnApiServer:
    def test_nobody_is_signed_in(self, az: InProcessAz) -> None:
        az.sign_in(None)
        result = list_profiles(az, "plain")
        assert result.code == USER_ERROR
        assert "Please run 'az login' to setup account." in result.err

    def test_no_such_cluster(self, az: InProcessAz) -> None:
        result = list_profiles(az, "nope")
        assert result.code == NOT_FOUND
        assert "managedClusters/nope' under resource group 'rg1' was not found" in result.err

    def test_no_such_resource_group(self, az: InProcessAz) -> None:
        result = az("aks", "seccomp", "profile", "list", "-g", "nope", "-n", "plain")
        assert result.code == NOT_FOUND
        assert "Resource group 'nope' could not be found." in result.err

    @pytest.mark.parametrize(
        ("cluster", "more", "words", "advice"),
        [
            ("stopped", (), "Cluster stopped is stopped.", "az aks start -g rg1 -n stopped"),
            ("windows-only", (), "Cluster windows-only has no Linux node pool.", ""),
            ("entra-only", ("--admin",), "has local accounts disabled: there is no admin account", "Leave --admin out"),
            ("locked", (), "has local accounts disabled, and no Entra integration", "az aks update -g rg1 -n locked"),
            ("unreachable", (), "The API server of cluster unreachable refuses connections.", "HTTPS_PROXY"),
            ("private", (), "cannot be reached from here: the cluster is private.", "virtual network"),
            ("private", (), "the cluster is private", "az aks command invoke -g rg1 -n private"),
        ],
    )
    def test_words_and_advice(
        self, cluster: str, more: tuple[str, ...], words: str, advice: str, az: InProcessAz
    ) -> None:
        result = list_profiles(az, cluster, *more)
        assert result.code == USER_ERROR
        assert words in result.err
        assert advice in result.err
        assert "Traceback" not in result.err

    def test_a_private_cluster_without_run_command_is_not_told_to_use_it(self, az: InProcessAz) -> None:
        result = list_profiles(az, "norun")
        assert "the cluster is private" in result.err
        assert "command invoke" not in result.err

    @pytest.mark.parametrize("step", ["managedClusters/plain$", "listClusterUserCredential"])
    def test_a_missing_azure_role(self, step: str, az: InProcessAz, arm: ArmStand) -> None:
        words = "The client 'x' does not have authorization to perform action 'Microsoft.ContainerService/y/action'."
        arm.faults.add(Fault(path=step, status=403, code="AuthorizationFailed", message=words))
        result = list_profiles(az, "plain")
        assert result.code == USER_ERROR
        assert words in result.err
        assert "Azure Kubernetes Service Cluster User Role" in result.err

    def test_a_busy_resource_manager_is_asked_again(self, az: InProcessAz, arm: ArmStand) -> None:
        busy = Fault(path="managedClusters/stopped$", status=429, code="TooManyRequests", headers={"Retry-After": "0"})
        arm.faults.add(busy)
        assert "Cluster stopped is stopped." in list_profiles(az, "stopped").err
        assert [asked.status for asked in arm.requests if "managedClusters" in asked.path] == [429, 200]

    def test_a_password_that_is_no_longer_good(self, installed_az: InstalledAz, arm: ArmStand) -> None:
        arm.faults.add(Fault(path="/adfs/oauth2/token", status=401, code="invalid_client", times=9))
        result = installed_az.run("aks", "seccomp", "profile", "list", "-g", "rg1", "-n", "plain")
        assert result.code == USER_ERROR
        assert "az login" in result.err
        assert "Traceback" not in result.err


@pytest.mark.cluster
class TestWithTheLocalKubernetes:
    @pytest.mark.parametrize(
        ("cluster", "more"),
        [("plain", ()), ("plain", ("--admin",)), ("entra", ()), ("entra", ("-a",)), ("entra-only", ())],
    )
    def test_reaches_the_nodes(
        self, cluster: str, more: tuple[str, ...], cluster_az: InProcessAz, stand: Stand
    ) -> None:
        image = ("--installer-image", "localhost/aks-stand/tools:1")
        result = list_profiles(cluster_az, cluster, *image, *more, "-o", "json")
        assert result.code == 0, result.err

    def test_what_a_limited_account_lacks(self, cluster_az: InProcessAz) -> None:
        cluster_az.sign_in(LIMITED)
        result = list_profiles(cluster_az, "entra")
        assert result.code == USER_ERROR
        # another test's namespace may be there
        missing = "You may not create (namespaces at the cluster scope|pods in namespace aks-seccomp)\\."
        assert re.search(missing, result.err)
        assert "Check: kubectl auth can-i create" in result.err

    def test_a_token_of_another_issuer(self, stand: Stand, cluster_az: InProcessAz, tmp_path: Path) -> None:
        """The API server does not know the key that this stand signs with."""
        with ArmStand(Layout(state=tmp_path), kubeconfig=stand.kubeconfig, port=0) as foreign:
            result = list_profiles(InProcessAz(foreign), "entra")
        assert result.code == USER_ERROR
        assert "The API server of cluster entra does not accept the credentials (401)." in result.err
        assert "az login" in result.err

    def test_no_secret_is_in_the_debug_output(
        self, extensions: Path, cluster_arm: ArmStand, stand: Stand, tmp_path: Path
    ) -> None:
        program = InstalledAz(extensions, tmp_path / "config")
        program.use(cluster_arm, ADMIN)
        (user,) = json.loads(stand.kubeconfig.read_bytes())["users"]
        key = user["user"]["client-key-data"]
        for cluster in ("plain", "entra"):
            argv = ("aks", "seccomp", "profile", "list", "-g", "rg1", "-n", cluster, "--debug")
            result = program.run(*argv, "--installer-image", "localhost/aks-stand/tools:1")
            shown = result.out + result.err
            assert result.code == 0, result.err
            assert "GET /api/v1/nodes" in shown, "requests are shown, so what is not shown was left out on purpose"
            assert not [part for part in parts(key) if part in shown], "a piece of the private key"
            assert not [line for line in base64.b64decode(key).decode().splitlines() if line in shown]
            assert re.search(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", shown) is None, "an access token"
            assert ADMIN.secret not in shown


def parts(secret: str) -> list[str]:
    """Pieces of a secret that are long enough to be nothing else."""
    return [secret[start : start + 40] for start in range(0, len(secret) - 40, 40)]


@pytest.fixture
def silent_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """An API server that takes connections and says nothing; the stand's clusters are there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        port = listener.getsockname()[1]
        monkeypatch.setattr("tests.stand.arm.kubeconfigs.DEAD_SERVER", f"https://127.0.0.1:{port}")
        yield listener


def test_ctrl_c_ends_a_wait_for_the_api_server(installed_az: InstalledAz, silent_server: socket.socket) -> None:
    with installed_az.start("aks", "seccomp", "profile", "list", "-g", "rg1", "-n", "plain") as az:
        try:
            connection, _ = silent_server.accept()
            with connection:
                time.sleep(0.2)
                started = time.monotonic()
                az.send_signal(signal.SIGINT)
                az.wait(5)
            assert time.monotonic() - started < 5, "the time limit of a connection is 10 s"
            assert az.returncode == USER_ERROR
            assert b"Traceback" not in az.communicate()[1]
        except subprocess.TimeoutExpired:
            az.kill()
            raise
