# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A profile on N nodes: the way of Microsoft's article, scripted, against ``az aks seccomp profile place``.

    python -m benchmarks.placement [--nodes 1 2 4 8] [--fake 1000] [--repeat 3]        (as root)

The article's way is, for each node in turn: ``kubectl debug node``, wait for the pod, ``mkdir``, ``kubectl cp``, delete
the pod. Both ways have the image on every node. Each number is the median of the repetitions, in which both ways take
turns; the time of az includes its start and the questions to Resource Manager. A stand of its own is brought up and
taken down, so that tests and demos are not disturbed.

``--fake N`` places on N nodes whose kubelets are played by one process: what is measured is this extension, the API
server and that process, on one machine.
"""

import argparse
import json
import logging
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.stand.arm import ArmStand
from tests.stand.arm.rbac import grant
from tests.stand.arm.seed import environment, write_az_state
from tests.stand.cluster import Layout, Stand
from tests.stand.cluster.images import TOOLS
from tests.stand.cluster.layout import node_name

ROOT = Path(__file__).resolve().parent.parent
LAYOUT = Layout(
    state=Path("/var/tmp/aks-bench"),
    name="aks-bench",
    bridge_prefix="aksbn",
    secure_port=36443,
    etcd_port=32379,
    kubelet_port=31250,
    fake_kubelet_port=31200,
    service_range="10.246.0.0/16",
    service_address="10.246.0.1",
    pod_range="10.247.0.0/16",
)
POOL_LABEL = "kubernetes.azure.com/agentpool"
SECCOMP_DIRECTORY = "/host/var/lib/kubelet/seccomp"


class Az:
    """az with this checkout as its extension, signed in to a Resource Manager that hands out the stand's kubeconfig."""

    def __init__(self, directory: Path, arm: ArmStand) -> None:
        write_az_state(directory / "config", arm.port, arm.layout)
        (directory / "dev").mkdir(exist_ok=True)
        (directory / "dev" / "seccomp").symlink_to(ROOT)
        own = {
            "AZURE_EXTENSION_DIR": str(directory / "extensions"),
            "AZURE_EXTENSION_DEV_SOURCES": str(directory / "dev"),
        }
        self._environment = {**os.environ, **environment(directory / "config"), **own}

    def place(self, profile: Path, pool: str = "") -> float:
        """Place on the nodes of a pool, on all when none is named; returns seconds."""
        command = ["aks", "seccomp", "profile", "place", "-g", "rg1", "-n", "plain", "--profile", str(profile)]
        command += ["--installer-image", TOOLS, "-o", "json", "--only-show-errors"]
        command += ["--nodepool-name", pool] if pool else []
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "azure.cli", *command], env=self._environment, capture_output=True, check=False
        )
        seconds = time.monotonic() - started
        if done.returncode:
            raise SystemExit(f"az ended with {done.returncode}: {(done.stderr or done.stdout).decode()[-2000:]}")
        statuses = {row["status"] for row in json.loads(done.stdout)}
        if statuses != {"placed"}:
            raise SystemExit(f"not what was to be measured: {statuses}")
        return seconds


class Kubectl:
    """kubectl as the administrator of the stand."""

    def __init__(self, kubeconfig: Path) -> None:
        self._command = ["kubectl", "--kubeconfig", str(kubeconfig)]

    def __call__(self, *argv: str) -> str:
        done = subprocess.run([*self._command, *argv], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"kubectl {' '.join(argv[:3])}: {done.stderr[-2000:]}")
        return done.stdout

    def place(self, profile: Path, node: str) -> None:
        """The article's way for one node."""
        before = self._debug_pods()
        # The article types commands into a shell in the pod; a script needs one that waits for them.
        self("debug", f"node/{node}", f"--image={TOOLS}", "--", "sleep", "600")
        (pod,) = self._debug_pods() - before
        self("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=120s")
        self("exec", pod, "--", "mkdir", "-p", SECCOMP_DIRECTORY)
        self("cp", str(profile), f"{pod}:{SECCOMP_DIRECTORY}/{profile.name}")
        self("delete", "pod", pod, "--grace-period=0", "--force")

    def _debug_pods(self) -> set[str]:
        names = self("get", "pods", "-o", "jsonpath={.items[*].metadata.name}").split()
        return {name for name in names if name.startswith("node-debugger-")}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placement")
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--fake", type=int, default=0, help="also place on so many played nodes")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING)
    if options.nodes:
        compare(sorted(options.nodes), options.repeat)
    if options.fake:
        many(options.fake, options.repeat)
    return 0


def compare(counts: Sequence[int], repeat: int) -> None:
    """Both ways on so many real nodes each."""
    with _stand(counts[-1]) as (az, kubectl, profiles):
        say("nodes  kubectl [s]  az [s]  ratio")
        medians: dict[int, tuple[float, float]] = {}
        for count in counts:
            pool, nodes = f"first{count}", [node_name(index) for index in range(1, count + 1)]
            kubectl("label", "nodes", *nodes, f"{POOL_LABEL}={pool}", "--overwrite")
            by_hand, by_az = [], []
            for _ in range(repeat):
                started, profile = time.monotonic(), next(profiles)
                for node in nodes:
                    kubectl.place(profile, node)
                by_hand.append(time.monotonic() - started)
                by_az.append(az.place(next(profiles), pool))
            medians[count] = statistics.median(by_hand), statistics.median(by_az)
            hand, ours = medians[count]
            say(f"{count:5}  {hand:11.2f}  {ours:6.2f}  {hand / ours:5.2f}")
    first, last = counts[0], counts[-1]
    if last > first:
        hand, ours = ((medians[last][way] - medians[first][way]) / (last - first) for way in (0, 1))
        say(f"seconds per extra node: kubectl {hand:.2f}, az {ours:.2f}")


def many(count: int, repeat: int) -> None:
    """Placing on played nodes."""
    with _stand(0) as (az, _, profiles), _fake_nodes(count):
        seconds = statistics.median(az.place(next(profiles)) for _ in range(repeat))
        say(f"{count} played nodes: az {seconds:.2f} s")


@contextmanager
def _stand(nodes: int) -> Iterator[tuple[Az, Kubectl, Iterator[Path]]]:
    stand = Stand(LAYOUT)
    try:
        stand.up(nodes)
        grant(stand.kubeconfig)
        with (
            tempfile.TemporaryDirectory() as directory,
            ArmStand(LAYOUT, kubeconfig=stand.kubeconfig, nodes=max(nodes, 2), port=0) as arm,
        ):
            yield Az(Path(directory), arm), Kubectl(stand.kubeconfig), _profiles(Path(directory))
    finally:
        stand.down()


@contextmanager
def _fake_nodes(count: int) -> Iterator[None]:
    command = [sys.executable, "-c", f"from benchmarks.placement import play_nodes; play_nodes({count})"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "registered" in line:
                break
        else:
            raise SystemExit("the played nodes did not come up")
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def play_nodes(count: int) -> None:
    """In a process of its own."""
    from tests.stand.cluster.fake_nodes import play

    logging.basicConfig(level=logging.INFO)
    with Stand(LAYOUT).patient_controller_manager():
        play(LAYOUT, count)


def _profiles(directory: Path) -> Iterator[Path]:
    """Profiles that differ, so that each has to be written."""
    number = 0
    while True:
        number += 1
        file = directory / f"profile-{number}.json"
        rule = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": number}
        file.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
        yield file


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
