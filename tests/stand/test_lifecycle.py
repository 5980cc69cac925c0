# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Bringing a stand up and down: beside another one, after a killed run, twice at once, and with nothing left."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stand.cluster import Layout, Stand, StandError
from tests.stand.cluster.control_plane import API_SERVER
from tests.stand.cluster.shell import output

pytestmark = pytest.mark.cluster

NAME, BRIDGE = "aks-other", "aksot"
LAYOUT = {
    "name": NAME,
    "bridge_prefix": BRIDGE,
    "secure_port": 27443,
    "etcd_port": 23379,
    "kubelet_port": 21350,
    "service_range": "10.246.0.0/16",
    "service_address": "10.246.0.1",
    "pod_range": "10.247.0.0/16",
}
UP = (
    "import pathlib; from tests.stand.cluster import Layout, Stand; "
    "Stand(Layout(state=pathlib.Path({state!r}), **{rest})).up(1)"
)


@pytest.fixture
def other() -> Iterator[Stand]:
    """A stand beside the one that other tests use."""
    directory = Path("/var/tmp") / NAME
    stand = Stand(Layout(state=directory, **LAYOUT))  # type: ignore[arg-type]
    yield stand
    stand.down()
    subprocess.run(["rm", "-rf", str(directory)], check=True)


def up(stand: Stand) -> subprocess.Popen[bytes]:
    """``up`` in a process of its own."""
    program = UP.format(state=str(stand.layout.state), rest=LAYOUT)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def traces() -> list[str]:
    """What a stand of this name has on the machine."""
    found = [line for line in output("ip", "-brief", "link").splitlines() if line.startswith(BRIDGE)]
    found += [line for line in output("ip", "route").splitlines() if "10.246." in line or "10.247." in line]
    found += [line for line in output("ip", "address", "show", "dev", "lo").splitlines() if "10.246." in line]
    found += [line for line in output("iptables", "-t", "nat", "-S").splitlines() if NAME in line]
    found += [str(group) for group in Path("/sys/fs/cgroup").glob(f"*/{NAME}")]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if NAME in line]
    found += [line for line in output("ps", "-eo", "args").splitlines() if f"/var/tmp/{NAME}/" in line]
    return found


@pytest.mark.timeout(900)
def test_a_killed_run_is_replaced_and_nothing_is_left_at_the_end(other: Stand) -> None:
    killed = up(other)
    end = time.monotonic() + 120
    while API_SERVER not in other.processes():
        assert killed.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    assert not other.healthy()
    left = set(other.processes().values())
    assert left

    both = [up(other), up(other)]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    assert other.healthy()
    assert not left & set(other.processes().values())

    other.node(1).stop_kubelet(kill=True)
    assert not other.healthy()
    other.node(1).start_kubelet()
    other.stop_api_server()
    assert not other.healthy()
    other.start_api_server()

    assert traces()
    other.down()
    assert traces() == []
    assert other.processes() == {}
    other.down()


def test_a_stand_that_is_down_says_so(other: Stand) -> None:
    assert not other.healthy()
    assert other.node_names == []
    with pytest.raises(StandError, match="not up"):
        other.node(1)
