# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The running stand: nodes of their own, nothing leaves the machine, and an ``ig`` stand-in that tells what the kernel
logged.
"""

import http.server
import json
import ssl
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stand.cluster import Stand, pki
from tests.stand.cluster.images import IG, IG_LOSSY, TOOLS
from tests.stand.cluster.shell import run

pytestmark = pytest.mark.cluster

GADGET = "localhost/aks-stand/gadget/audit_seccomp:v0.55.1"
PROFILE = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "unshare", "gettid"], "action": "SCMP_ACT_LOG"}],
}
CANARY = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "syscalls": [
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
    ],
}
GETTID, MKDIR, CLONE3 = 186, 83, 435


class Cluster:
    """What the tests do with the API server, in one namespace."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.namespace = f"stand-{uuid.uuid4().hex[:8]}"
        self.profile = f"{self.namespace}.json"

    def place(self, profile: dict[str, Any]) -> None:
        """Make it the profile that ``workload`` runs under, on both nodes."""
        for node in (1, 2):
            place = ("sh", "-c", 'cat > "/var/lib/kubelet/seccomp/$1"', "place", self.profile)
            self.stand.node_exec(node, *place, stdin=json.dumps(profile).encode())

    def kubectl(self, *argv: str, check: bool = True, stdin: bytes | None = None) -> tuple[int, str, str]:
        command = ("kubectl", "--kubeconfig", self.stand.kubeconfig, "--namespace", self.namespace, *argv)
        done = run(*command, check=check, stdin=stdin)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def create(self, pod: dict[str, Any]) -> str:
        self.kubectl("create", "-f", "-", stdin=json.dumps(pod).encode())
        return str(pod["metadata"]["name"])

    def pod(self, name: str) -> dict[str, Any]:
        return dict(json.loads(self.kubectl("get", "pod", name, "-o", "json")[1]))

    def state(self, name: str) -> dict[str, Any]:
        """State of the pod's only container; empty when there is none yet."""
        statuses = self.pod(name)["status"].get("containerStatuses", [])
        return dict(statuses[0]["state"]) if statuses else {}

    def exit_code(self, name: str) -> int:
        wait_for(lambda: "terminated" in self.state(name), f"end of {name}")
        return int(self.state(name)["terminated"]["exitCode"])

    def log(self, name: str) -> list[str]:
        return self.kubectl("logs", name)[1].splitlines()

    def events(self, collector: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log(collector) if line.startswith("{")]

    def run_collector(self, node: int, *arguments: str, image: str = IG) -> str:
        """Start a collector as the extension does, and wait until it says that it runs."""
        name = self.create(self._collector(node, ["-v", *arguments], image))
        wait_for(lambda: any(line.endswith("level=debug msg=running...") for line in self._log_so_far(name)), name)
        return name

    def start_collector(self, node: int, *arguments: str) -> str:
        return self.create(self._collector(node, list(arguments), IG))

    def _log_so_far(self, name: str) -> list[str]:
        return self.kubectl("logs", name, check=False)[1].splitlines()

    def _collector(self, node: int, arguments: list[str], image: str) -> dict[str, Any]:
        container = {
            "name": "ig",
            "image": image,
            "command": ["ig"],
            "args": ["run", GADGET, "-o", "json", "-r", "containerd", "--k8s-namespace", self.namespace, *arguments],
            "env": [{"name": "HOST_ROOT", "value": "/host"}],
            "securityContext": {"privileged": True},
            "volumeMounts": [{"name": "host", "mountPath": "/host"}],
        }
        pod = self._pod(node, container)
        pod["spec"]["volumes"] = [{"name": "host", "hostPath": {"path": "/"}}]
        return pod

    def workload(self, node: int, *command: str, user: int = 0, image: str = TOOLS) -> dict[str, Any]:
        """A pod under the test's profile."""
        pod = self._pod(node, {"name": "calls", "image": image, "command": list(command)})
        pod["spec"]["securityContext"] = {
            "runAsUser": user,
            "seccompProfile": {"type": "Localhost", "localhostProfile": self.profile},
        }
        return pod

    def _pod(self, node: int, container: dict[str, Any]) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p-{uuid.uuid4().hex[:8]}", "namespace": self.namespace},
            "spec": {
                "nodeName": self.stand.node_names[node - 1],
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 5,
                "containers": [container],
            },
        }


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def stand() -> Stand:
    stand = Stand()
    stand.up(2)
    return stand


@pytest.fixture
def cluster(stand: Stand) -> Iterator[Cluster]:
    cluster = Cluster(stand)
    cluster.kubectl("create", "namespace", cluster.namespace)
    wait_for(lambda: cluster.kubectl("get", "serviceaccount", "default", check=False)[0] == 0, "service account")
    cluster.place(PROFILE)
    yield cluster
    for node in (1, 2):
        stand.node_exec(node, "rm", "-f", f"/var/lib/kubelet/seccomp/{cluster.profile}")
    cluster.kubectl("delete", "namespace", cluster.namespace, "--wait=false")


@pytest.fixture
def user() -> int:
    """A user id that no other process has, so that the kernel's records tell a pod from all others."""
    return 100_000 + uuid.uuid4().int % 1_000_000_000


class TestNodes:
    def test_pools_and_runtimes_differ(self, cluster: Cluster) -> None:
        nodes = json.loads(cluster.kubectl("get", "nodes", "-o", "json")[1])["items"]
        labels = [node["metadata"]["labels"] for node in nodes]
        assert [one["kubernetes.azure.com/agentpool"] for one in labels] == ["nodepool1", "nodepool2"]
        assert [one["kubernetes.io/os"] for one in labels] == ["linux", "linux"]
        versions = [node["status"]["nodeInfo"]["containerRuntimeVersion"] for node in nodes]
        assert versions[0].startswith("containerd://1.6.")
        assert versions[1].startswith("containerd://1.7.")

    def test_each_node_has_its_own_seccomp_directory(self, stand: Stand) -> None:
        mark = f"/var/lib/kubelet/seccomp/mark-{uuid.uuid4().hex}"
        stand.node_exec(1, "touch", mark)
        try:
            assert stand.node_exec(1, "ls", mark, check=False)[0] == 0
            assert stand.node_exec(2, "ls", mark, check=False)[0] != 0
            assert not Path(mark).exists()
        finally:
            stand.node_exec(1, "rm", mark)

    def test_a_pod_reaches_the_api_server_and_nothing_outside(self, cluster: Cluster) -> None:
        script = (
            'ip route; nc -w 2 10.242.0.1 443 </dev/null && echo api; nc -w 2 192.0.2.77 443 </dev/null || echo "none"'
        )
        pod = cluster.workload(1, "sh", "-c", script)
        assert cluster.exit_code(cluster.create(pod)) == 0
        log = cluster.log(pod["metadata"]["name"])
        assert not [line for line in log if line.startswith("default")]
        assert "api" in log
        assert "none" in log

    def test_an_image_that_is_not_there_is_an_ordinary_pull_error(self, cluster: Cluster) -> None:
        name = cluster.create(cluster.workload(2, "true", image="localhost/aks-stand/none:1"))
        wait_for(lambda: "waiting" in cluster.state(name), "state")
        wait_for(lambda: cluster.state(name)["waiting"]["reason"] in ("ErrImagePull", "ImagePullBackOff"), "pull error")

    def test_up_uses_a_healthy_stand_again(self, stand: Stand) -> None:
        before = stand.processes()
        stand.up(2)
        assert stand.processes() == before


@pytest.mark.alone
class TestEvents:
    def test_the_events_are_what_the_kernel_logged(self, cluster: Cluster, user: int) -> None:
        """A burst on one node, processes that end at once on the other: every record once, in the kernel's order."""
        collectors = [cluster.run_collector(node) for node in (1, 2)]
        script = "i=0; while [ $i -lt 100 ]; do syscaller mkdir fork unshare >/dev/null; i=$((i+1)); done"
        with cluster.stand.audit_records() as stream:
            burst = cluster.create(cluster.workload(1, "syscaller", "gettid*5000", user=user))
            short = cluster.create(cluster.workload(2, "sh", "-c", script, user=user + 1))
            for name in (burst, short):
                assert cluster.exit_code(name) == 0
            kernel = [stream.records(user=user), stream.records(user=user + 1)]
        assert Counter(record.syscall for record in kernel[0]) == {GETTID: 5000}
        assert len(kernel[1]) == 200
        for collector, name, records in zip(collectors, (burst, short), kernel, strict=True):
            wait_for(lambda c=collector, r=records: len(cluster.events(c)) >= len(r), "events")  # type: ignore[misc]
            events = cluster.events(collector)
            assert {event["k8s"]["podName"] for event in events} == {name}
            assert [(e["proc"]["pid"], e["syscall_raw"], e["code_raw"]) for e in events] == [
                (record.pid, record.syscall, record.code) for record in records
            ]

    def test_a_container_that_lives_for_a_moment_is_seen(self, cluster: Cluster) -> None:
        collector = cluster.run_collector(1)
        names = [cluster.create(cluster.workload(1, "syscaller", "mkdir")) for _ in range(5)]
        for name in names:
            assert cluster.exit_code(name) == 0
        wait_for(lambda: len(cluster.events(collector)) >= len(names), "events")
        seen = [(e["k8s"]["podName"], e["k8s"]["containerName"], e["syscall"]) for e in cluster.events(collector)]
        assert sorted(seen) == sorted((name, "calls", "SYS_MKDIR") for name in names)

    def test_a_process_of_kubectl_exec_is_seen(self, cluster: Cluster) -> None:
        collector = cluster.run_collector(2)
        name = cluster.create(cluster.workload(2, "sleep", "60"))
        wait_for(lambda: "running" in cluster.state(name), "start")
        cluster.kubectl("exec", name, "--", "syscaller", "mkdir", "mkdir")
        wait_for(lambda: len(cluster.events(collector)) >= 2, "events")
        assert [event["proc"]["comm"] for event in cluster.events(collector)] == ["syscaller"] * 2

    def test_denials_are_events_under_the_flag_that_logs_them(self, cluster: Cluster, user: int) -> None:
        """On the node whose runc takes the flag; that of the other one refuses the container."""
        cluster.place(CANARY)
        collector = cluster.run_collector(2)
        with cluster.stand.audit_records() as stream:
            denied = cluster.create(cluster.workload(2, "syscaller", "mkdir*2", "clone3", "sleep=1", user=user))
            refused = cluster.create(cluster.workload(1, "syscaller", "mkdir"))
            assert cluster.exit_code(denied) == 0
            assert cluster.exit_code(refused) == 128
            kernel = [(record.pid, record.syscall, record.code) for record in stream.records(user=user)]
        assert cluster.log(denied)[:2] == ["mkdir = -1 Operation not permitted", "clone3 = -1 Function not implemented"]
        assert "seccomp flags are not yet supported by runc" in cluster.state(refused)["terminated"]["message"]
        assert [syscall for _, syscall, _ in kernel] == [MKDIR, MKDIR, CLONE3]
        wait_for(lambda: len(cluster.events(collector)) >= len(kernel), "events")
        events = cluster.events(collector)
        assert [(e["proc"]["pid"], e["syscall_raw"], e["code_raw"]) for e in events] == kernel
        assert {event["code"] for event in events} == {"SECCOMP_RET_ERRNO"}

    def test_a_burst_that_overruns_the_buffer_is_reported(self, cluster: Cluster, user: int) -> None:
        collector = cluster.run_collector(1, image=IG_LOSSY)
        with cluster.stand.audit_records() as stream:
            name = cluster.create(cluster.workload(1, "syscaller", "gettid*20000", "sleep=1", "mkdir*5", user=user))
            assert cluster.exit_code(name) == 0
            logged = len(stream.records(user=user))
        wait_for(lambda: any(e["syscall_raw"] == MKDIR for e in cluster.events(collector)), "events")
        warnings = [line for line in cluster.log(collector) if "reading event: lost" in line]
        assert warnings
        assert all(line.split("msg=")[1].endswith(' samples"') for line in warnings)
        assert len(cluster.events(collector)) < logged


class TestIg:
    def test_it_ends_well_when_its_time_is_over(self, cluster: Cluster) -> None:
        name = cluster.run_collector(1, "--timeout", "2")
        assert cluster.exit_code(name) == 0
        state = cluster.state(name)["terminated"]
        assert state["startedAt"] < state["finishedAt"]

    def test_it_ends_well_when_its_pod_is_deleted(self, cluster: Cluster) -> None:
        """On SIGTERM, long before the end of the grace period."""
        name = cluster.run_collector(1)
        cluster.kubectl("delete", "pod", name, "--grace-period=600", "--wait=false")

        def ended() -> bool:
            code, out, _ = cluster.kubectl("get", "pod", name, "-o", "json", check=False)
            statuses = json.loads(out)["status"]["containerStatuses"] if code == 0 else []
            return all(one["state"].get("terminated", {}).get("exitCode") == 0 for one in statuses)

        wait_for(ended, "end", 90)

    def test_an_unknown_flag_is_refused(self, cluster: Cluster) -> None:
        name = cluster.start_collector(2, "--nope")
        assert cluster.exit_code(name) == 1
        assert cluster.log(name) == ["Error: unknown flag: --nope"]


def test_an_admission_webhook_on_loopback_is_asked(cluster: Cluster) -> None:
    """What a test of a policy engine needs: the API server calls a webhook of the test's, over the stand's CA."""
    identity = pki.issue(cluster.stand.layout, cluster.namespace, "/CN=localhost", "DNS:localhost,IP:127.0.0.1")
    reason = "[azurepolicy-test] Privileged container is not allowed: ig"
    server = _webhook(identity, reason)
    name = cluster.namespace
    webhook = {
        "name": "validation.gatekeeper.sh",
        "clientConfig": {
            "url": f"https://localhost:{server.server_address[1]}/admit",
            "caBundle": pki.inline(cluster.stand.layout.pki / "ca.crt"),
        },
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"stand-test": name}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
    }
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }
    try:
        cluster.kubectl("label", "namespace", name, f"stand-test={name}")
        cluster.kubectl("create", "-f", "-", stdin=json.dumps(configuration).encode())
        pod = json.dumps(cluster.workload(1, "true")).encode()
        wait_for(
            lambda: cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=pod, check=False)[0] != 0, "denial"
        )
        _, _, said = cluster.kubectl("create", "-f", "-", stdin=pod, check=False)
        assert f'admission webhook "validation.gatekeeper.sh" denied the request: {reason}' in said
    finally:
        cluster.kubectl("delete", "validatingwebhookconfiguration", name, check=False)
        server.shutdown()
        server.server_close()
        for file in (identity.certificate, identity.key):
            file.unlink()


def _webhook(identity: pki.Certificate, reason: str) -> http.server.ThreadingHTTPServer:
    class Deny(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = {"uid": review["request"]["uid"], "allowed": False, "status": {"code": 403, "message": reason}}
            body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output free of requests."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Deny)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
