# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Fake nodes on a real API server: pods of theirs run and end, logs are served, and all of it goes away."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.stand.cluster import Stand
from tests.stand.cluster.fake_nodes.installer import LOGGED
from tests.stand.cluster.fake_nodes.kubelets import node_name
from tests.stand.cluster.shell import run
from tests.stand.other_stand import OTHER_STAND, other

pytestmark = pytest.mark.cluster

__all__ = ["other"]

COUNT = 20
CONTENT = '{"defaultAction":"SCMP_ACT_LOG"}'
SHA = hashlib.sha256(CONTENT.encode()).hexdigest()
PLAY = (
    f"{OTHER_STAND}"
    "from tests.stand.cluster.fake_nodes import play\n"
    f"with stand.patient_controller_manager():\n    play(stand.layout, {COUNT}, event_interval=0.2)\n"
)


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)


def pod(index: int, name: str, command: list[str]) -> dict[str, Any]:
    sources = [{"configMap": {"name": "content"}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeName": node_name(index),
            "containers": [{"name": "only", "image": "registry.test/any:1", "command": command}],
            "volumes": [{"name": "content", "projected": {"sources": sources}}],
        },
    }


@pytest.mark.timeout(600)
def test_pods_on_fake_nodes(other: Stand) -> None:
    other.up(0)

    def kubectl(*argv: str, stdin: bytes | None = None) -> str:
        return run("kubectl", "--kubeconfig", other.kubeconfig, *argv, stdin=stdin).stdout.decode()

    def of_pod(name: str) -> dict[str, Any]:
        return dict(json.loads(kubectl("get", "pod", name, "-o", "json"))["status"])

    def nodes() -> list[dict[str, Any]]:
        return list(json.loads(kubectl("get", "nodes", "-o", "json"))["items"])

    player = subprocess.Popen([sys.executable, "-c", PLAY])
    try:
        wait_for(lambda: len(nodes()) == COUNT, "nodes")
        kubectl("create", "configmap", "content", f"--from-literal=0={CONTENT}")
        place = [
            "sh",
            "/content/installer.sh",
            "/seccomp",
            "/content",
            "/answer",
            "s",
            "place",
            "keep",
            "0",
            "a.json",
            SHA,
        ]
        kubectl("create", "-f", "-", stdin=json.dumps(pod(3, "installer", place)).encode())
        kubectl("create", "-f", "-", stdin=json.dumps(pod(4, "collector", ["ig"])).encode())
        wait_for(lambda: of_pod("installer")["phase"] == "Succeeded", "installer")
        wait_for(lambda: of_pod("collector")["phase"] == "Running", "collector")
        ended = of_pod("installer")["containerStatuses"][0]["state"]["terminated"]
        assert ended["message"] == f"aks-seccomp 1 here 0\n0 placed {SHA}\nlogged {LOGGED.read_text()}end\n"
        assert kubectl("logs", "collector").endswith("level=debug msg=running...\n")
        events = follow(other, "collector", lines=4)
        assert [json.loads(line)["syscall"] for line in events[1:]] == ["SYS_UNSHARE"] * 3
    finally:
        player.send_signal(signal.SIGTERM)
        assert player.wait(60) == 0
    assert nodes() == []


def follow(stand: Stand, name: str, *, lines: int) -> list[str]:
    command = ["kubectl", "--kubeconfig", str(stand.kubeconfig), "logs", "-f", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        read = [process.stdout.readline() for _ in range(lines)]
        process.kill()
    return read
