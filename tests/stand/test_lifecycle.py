# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Bringing a stand up and down: beside another one, after a killed run, twice at once, and with nothing left."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.stand.cluster import Stand, StandError
from tests.stand.cluster.control_plane import API_SERVER
from tests.stand.cluster.shell import output
from tests.stand.other_stand import OTHER, OTHER_STAND, other

pytestmark = pytest.mark.cluster

__all__ = ["other"]


def up() -> subprocess.Popen[bytes]:
    """``up`` in a process of its own."""
    program = f"{OTHER_STAND}stand.up(1)"
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def traces() -> list[str]:
    """What a stand of this name has on the machine."""
    found = [line for line in output("ip", "-brief", "link").splitlines() if line.startswith("aksot")]
    found += [line for line in output("ip", "route").splitlines() if "10.246." in line or "10.247." in line]
    found += [line for line in output("ip", "address", "show", "dev", "lo").splitlines() if "10.246." in line]
    found += [line for line in output("iptables", "-t", "nat", "-S").splitlines() if OTHER in line]
    found += [str(group) for group in Path("/sys/fs/cgroup").glob(f"*/{OTHER}")]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if OTHER in line]
    found += [line for line in output("ps", "-eo", "args").splitlines() if f"/var/tmp/{OTHER}/" in line]
    return found


@pytest.mark.timeout(900)
def test_a_killed_run_is_replaced_and_nothing_is_left_at_the_end(other: Stand) -> None:
    killed = up()
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

    both = [up(), up()]
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
