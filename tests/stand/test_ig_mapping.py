# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How the stand-in finds the container of a record, and which containers it shows."""

import json
import socket
import struct
from pathlib import Path

import pytest

from tests.stand.ig import netlink
from tests.stand.ig.containers import TASKS, Container, Containers
from tests.stand.ig.flags import parse
from tests.stand.ig.netlink import EVENT_EXEC, EVENT_EXIT, EVENT_FORK
from tests.stand.ig.processes import Processes
from tests.stand.ig.records import Record
from tests.stand.ig.selection import Selection

OURS, OTHER = "a" * 64, "b" * 64
RECORD = Record(serial=1, time_ns=1, pid=10, uid=5, gid=6, comm="sh", syscall=83, code=0x7FFC0000)


def in_cgroup(proc: Path, pid: int, container: str, comm: str = "sh") -> None:
    (proc / str(pid)).mkdir(parents=True, exist_ok=True)
    (proc / str(pid) / "cgroup").write_text(f"9:pids:/stand/node1/kubepods/besteffort/pod1234/{container}\n")
    (proc / str(pid) / "comm").write_text(comm + "\n")
    (proc / str(pid) / "stat").write_text(f"{pid} (a) b) S 1 1\n")


def bundle(host: Path, identifier: str, *, kind: str = "container", pid: int | None = None) -> None:
    directory = host / TASKS / identifier
    directory.mkdir(parents=True, exist_ok=True)
    notes = {"container-type": kind, "container-name": "web", "sandbox-name": "pod", "sandbox-namespace": "shop"}
    config = {
        "annotations": {f"io.kubernetes.cri.{key}": value for key, value in notes.items()},
        "linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/run/netns/x"}]},
    }
    (directory / "config.json").write_text(json.dumps(config))
    if pid is not None:
        (directory / "init.pid").write_text(str(pid))


class TestProcesses:
    def test_a_running_process_is_found_by_its_cgroup(self, tmp_path: Path) -> None:
        in_cgroup(tmp_path, 10, OURS)
        assert Processes(tmp_path).container(10) == OURS

    def test_a_process_of_the_host_has_no_container(self, tmp_path: Path) -> None:
        in_cgroup(tmp_path, 10, "system.slice")
        assert Processes(tmp_path).container(10) is None
        assert Processes(tmp_path).container(11) is None

    def test_a_process_that_has_ended_is_found_through_its_ancestors(self, tmp_path: Path) -> None:
        processes = Processes(tmp_path)
        processes.assign(10, OURS)
        processes.take([(EVENT_FORK, 10, 11), (EVENT_EXIT, 10, 0), (EVENT_FORK, 11, 12), (EVENT_EXIT, 12, 0)])
        assert processes.container(12) == OURS
        assert processes.parent(12) == 11

    def test_ancestors_are_looked_up_late(self, tmp_path: Path) -> None:
        processes = Processes(tmp_path)
        processes.take([(EVENT_FORK, 10, 11), (EVENT_FORK, 11, 12)])
        in_cgroup(tmp_path, 10, OURS)
        assert processes.container(12) == OURS

    def test_a_process_is_looked_up_when_it_becomes_another_program(self, tmp_path: Path) -> None:
        """As by ``kubectl exec``: forked on the host, moved into the container, gone before its record is read."""
        processes = Processes(tmp_path)
        in_cgroup(tmp_path, 20, OURS)
        processes.take([(EVENT_FORK, 5, 20), (EVENT_EXEC, 20, 0)])
        (tmp_path / "20" / "cgroup").unlink()
        assert processes.container(20) == OURS

    def test_an_id_that_is_used_again_belongs_to_the_new_process(self, tmp_path: Path) -> None:
        processes = Processes(tmp_path)
        processes.assign(10, OURS)
        processes.assign(50, OTHER)
        processes.take([(EVENT_EXIT, 10, 0), (EVENT_FORK, 50, 10)])
        assert processes.container(10) == OTHER
        processes.take([(EVENT_EXIT, 10, 0), (EVENT_FORK, 2, 10)])
        assert processes.container(10) is None

    def test_a_parent_s_name_is_read_anew_after_it_became_another_program(self, tmp_path: Path) -> None:
        processes = Processes(tmp_path)
        in_cgroup(tmp_path, 10, OURS, comm="runc")
        assert processes.comm(10) == "runc"
        in_cgroup(tmp_path, 10, OURS, comm="nginx")
        processes.take([(EVENT_EXEC, 10, 0)])
        assert processes.comm(10) == "nginx"
        assert processes.comm(99) == ""


class TestContainers:
    def test_what_a_bundle_says(self, tmp_path: Path) -> None:
        bundle(tmp_path, OURS, pid=77)
        container = Containers(tmp_path).find(OURS)
        assert container is not None
        assert (container.namespace, container.pod, container.name) == ("shop", "pod", "web")
        assert (container.sandbox, container.host_network) == (False, False)

    def test_a_new_container_is_reported_once_its_process_exists(self, tmp_path: Path) -> None:
        (tmp_path / TASKS).mkdir(parents=True)
        containers = Containers(tmp_path)
        assert not containers.waiting
        bundle(tmp_path, OURS)
        assert containers.update() == []
        assert containers.waiting
        process = tmp_path / "proc" / "77" / "ns"
        process.mkdir(parents=True)
        (process / "mnt").touch()
        bundle(tmp_path, OURS, pid=77)
        assert [container.pid for container in containers.update()] == [77]
        assert not containers.waiting

    def test_a_container_is_known_after_its_end(self, tmp_path: Path) -> None:
        bundle(tmp_path, OURS)
        containers = Containers(tmp_path)
        containers.update()
        for file in (tmp_path / TASKS / OURS).iterdir():
            file.unlink()
        (tmp_path / TASKS / OURS).rmdir()
        assert containers.of_process(OURS) is not None
        containers.update()
        assert not containers.waiting

    def test_names_come_from_the_log_link_when_the_bundle_is_gone(self, tmp_path: Path) -> None:
        (tmp_path / TASKS).mkdir(parents=True)
        logs = tmp_path / "var" / "log" / "containers"
        logs.mkdir(parents=True)
        (logs / f"my-pod_shop_web-1-{OURS}.log").symlink_to("/nowhere")
        container = Containers(tmp_path).of_process(OURS)
        assert container is not None
        assert (container.namespace, container.pod, container.name) == ("shop", "my-pod", "web-1")

    def test_another_node_s_container_is_none_of_ours(self, tmp_path: Path) -> None:
        (tmp_path / TASKS).mkdir(parents=True)
        containers = Containers(tmp_path)
        assert containers.of_process(OTHER) is None
        bundle(tmp_path, OTHER)
        assert containers.of_process(OTHER) is None, "looked for once only"

    def test_a_node_without_containerd_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            Containers(tmp_path)


class TestSelection:
    CONTAINER = Container(OURS, name="web", pod="pod", namespace="shop", image="", sandbox=False, host_network=False)

    @pytest.mark.parametrize(
        ("argv", "shown"),
        [
            ([], True),
            (["--k8s-namespace", "shop"], True),
            (["--k8s-namespace", "a,shop"], True),
            (["--k8s-namespace", "!shop"], False),
            (["--k8s-namespace", "!a"], True),
            (["--k8s-namespace", "shop", "--k8s-podname", "other"], False),
            (["--k8s-containername", "web", "-c", "web"], True),
            (["--comm", "bash"], False),
            (["--uid", "5", "--gid", "6", "--pid", "10", "--comm", "sh"], True),
            (["--k8s-selector", "app=web"], False),
        ],
    )
    def test_filters(self, argv: list[str], shown: bool) -> None:
        selection = Selection(parse(["run", "audit_seccomp", *argv]))
        assert selection.accepts(RECORD, self.CONTAINER) is shown

    def test_pause_containers_are_never_shown(self) -> None:
        sandbox = Container(OURS, name="", pod="pod", namespace="shop", image="", sandbox=True, host_network=False)
        assert not Selection(parse(["run", "audit_seccomp", "--host"])).accepts(RECORD, sandbox)

    @pytest.mark.parametrize(("argv", "shown"), [([], False), (["--host"], True), (["--host", "--uid", "9"], False)])
    def test_the_host_is_shown_on_request(self, argv: list[str], shown: bool) -> None:
        assert Selection(parse(["run", "audit_seccomp", *argv])).accepts(RECORD, None) is shown


def test_process_events_are_decoded_and_threads_left_out() -> None:
    def message(what: int, *ids: int) -> bytes:
        event = struct.pack("=IIQ", what, 0, 123) + struct.pack(f"={len(ids)}I", *ids)
        body = struct.pack("=IIIIHH", 1, 1, 0, 0, len(event), 0) + event
        return struct.pack("=IHHII", 16 + len(body), 3, 0, 0, 0) + body

    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, kernel:
        ours.setblocking(False)
        kernel.send(message(EVENT_FORK, 9, 10, 11, 11))  # a thread of 10 forks 11
        kernel.send(message(EVENT_FORK, 10, 10, 12, 10))  # 10 starts a thread
        kernel.send(message(EVENT_EXEC, 11, 11))
        kernel.send(message(EVENT_EXIT, 12, 10, 0, 0, 1, 1))  # a thread ends
        kernel.send(message(EVENT_EXIT, 11, 11, 0, 0, 1, 1))
        kernel.send(b"\0" * 20)
        expected = [(EVENT_FORK, 10, 11), (EVENT_EXEC, 11, 0), (EVENT_EXIT, 11, 0)]
        assert list(netlink.process_messages(ours)) == expected
