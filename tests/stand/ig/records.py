# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The text of a seccomp audit record (kernel/auditsc.c: audit_seccomp, audit_log_task)."""

import re
from typing import NamedTuple

_HEADER = re.compile(r"audit\((\d+)\.(\d{3}):(\d+)\):")
# exe may be quoted, hexadecimal or (null), and security modules add fields: both are passed over
_SECCOMP = re.compile(
    _HEADER.pattern + r" auid=\d+ uid=(\d+) gid=(\d+) .*?\bpid=(\d+) comm=(\"[^\"]*\"|[0-9A-F]+)"
    r" .* syscall=(\d+) .*?\bcode=0x([0-9a-f]+)"
)


class Record(NamedTuple):
    """One record of type 1326. Ids are those of the initial namespaces; ``code`` is the filter's action without its
    data.
    """

    serial: int
    time_ns: int
    pid: int
    uid: int
    gid: int
    comm: str
    syscall: int
    code: int


def parse(text: str) -> Record | None:
    """Read a record, or None for a text that is none."""
    found = _SECCOMP.match(text)
    if found is None:
        return None
    seconds, milliseconds, number, uid, gid, pid, comm, syscall, code = found.groups()
    time_ns = int(seconds + milliseconds) * 1_000_000
    return Record(int(number), time_ns, int(pid), int(uid), int(gid), _untrusted(comm), int(syscall), int(code, 16))


def serial(text: str) -> int | None:
    """Serial number of any audit record; the kernel counts all types in one row."""
    header = _HEADER.match(text)
    return int(header[3]) if header else None


def _untrusted(value: str) -> str:
    """Undo audit_log_untrustedstring: quoted as it is, or hexadecimal when it holds a quote, a space or a control
    character.
    """
    if value.startswith('"'):
        return value[1:-1]
    return bytes.fromhex(value).decode(errors="replace")
