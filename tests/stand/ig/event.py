# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One event of the gadget, in the form that ``ig run -o json`` of version 0.55 prints it."""

import json
import time
from pathlib import Path
from typing import NamedTuple

from .containers import Container
from .records import Record

# enum code of gadgets/audit_seccomp/program.bpf.c; SECCOMP_RET_KILL, the same value as KILL_THREAD, is never printed
CODES = {
    0x80000000: "SECCOMP_RET_KILL_PROCESS",
    0x00000000: "SECCOMP_RET_KILL_THREAD",
    0x00030000: "SECCOMP_RET_TRAP",
    0x00050000: "SECCOMP_RET_ERRNO",
    0x7FC00000: "SECCOMP_RET_USER_NOTIF",
    0x7FF00000: "SECCOMP_RET_TRACE",
    0x7FFC0000: "SECCOMP_RET_LOG",
    0x7FFF0000: "SECCOMP_RET_ALLOW",
}
NO_STACK = {
    "addresses": "",
    "base_addr_hash": 0,
    "boot_timestamp": 0,
    "buildid": "",
    "inode": 0,
    "major": 0,
    "minor": 0,
    "mtime_nsec": 0,
    "mtime_sec": 0,
    "otel_correlation_id": "",
    "pid_level0": 0,
    "pid_level1": 0,
    "pidns_level0": 0,
    "pidns_level1": 0,
    "stack_id": 0,
    "symbols": "",
    "tgid_level0": 0,
}


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Parent(NamedTuple):
    """The process that forked the one of the event."""

    pid: int
    comm: str


class Names:
    """Names for numbers: system calls of this architecture, users and groups of the host."""

    def __init__(self, syscalls: dict[int, str], users: dict[int, str], groups: dict[int, str]) -> None:
        self._syscalls = syscalls
        self._users = users
        self._groups = groups

    @classmethod
    def of_host(cls, host_root: Path, syscall_table: Path) -> "Names":
        """Read ``etc/passwd`` and ``etc/group`` of the host and the table that the image was built with."""
        table = {int(number): name for number, name in json.loads(syscall_table.read_text()).items()}
        return cls(table, _accounts(host_root / "etc" / "passwd"), _accounts(host_root / "etc" / "group"))

    def syscall(self, number: int) -> str:
        """``SYS_MKDIR``; ``SYS_UNKNOWN`` for a number that the table does not have."""
        return "SYS_" + self._syscalls.get(number, "unknown").upper()

    def user(self, uid: int) -> str:
        return self._users.get(uid, f"uid:{uid}")

    def group(self, gid: int) -> str:
        return self._groups.get(gid, f"gid:{gid}")


HOST = Container(id="", name="", pod="", namespace="", image="", sandbox=False, host_network=False)


def event(record: Record, container: Container | None, parent: Parent, names: Names) -> dict[str, object]:
    """All fields of an event, keys sorted on every level; ``container`` is None for a process of the host."""
    of = container or HOST
    return {
        "code": CODES.get(record.code, "UNKNOWN"),
        "code_raw": record.code,
        "k8s": {
            "containerName": of.name,
            "hostnetwork": of.host_network,
            "namespace": of.namespace,
            "node": "",  # filled only with enrichment from the API server
            "owner": {"kind": "", "name": ""},
            "podLabels": "",
            "podName": of.pod,
        },
        "proc": {
            "comm": record.comm,
            "creds": {
                "gid": record.gid,
                "group": names.group(record.gid),
                "uid": record.uid,
                "user": names.user(record.uid),
            },
            "mntns_id": of.mount_namespace,
            "parent": {"comm": parent.comm, "pid": parent.pid, "tid": parent.pid},
            "pid": record.pid,
            "tid": record.pid,
        },
        "runtime": {
            "containerId": of.id,
            "containerImageDigest": "",
            "containerImageName": of.image,
            "containerName": of.name,
            "containerPid": of.pid,
            "containerStartedAt": of.started_ns,
            "runtimeName": "containerd" if container else "",
        },
        "syscall": names.syscall(record.syscall),
        "syscall_raw": record.syscall,
        "timestamp": timestamp(record.time_ns),
        "timestamp_raw": record.time_ns,
        "ustack": NO_STACK,
    }


def timestamp(time_ns: int) -> str:
    """RFC 3339 with nanoseconds, UTC."""
    seconds, fraction = divmod(time_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:09d}Z"


def to_line(fields: dict[str, object]) -> str:
    """One line of ``-o json``: no blanks; the keys are sorted, as ``event`` gives them."""
    return _encode(fields)


def _accounts(file: Path) -> dict[int, str]:
    try:
        lines = [line.split(":") for line in file.read_text(errors="replace").splitlines()]
    except OSError:
        return {}
    return {int(fields[2]): fields[0] for fields in lines if len(fields) > 2 and fields[2].isdigit()}
