# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The text of a seccomp audit record (kernel/auditsc.c: audit_seccomp, audit_log_task)."""

import re
from dataclasses import dataclass

_HEADER = re.compile(r"audit\((\d+)\.(\d{3}):(\d+)\):")
_FIELD = re.compile(r' (\w+)=("[^"]*"|\S+)')


@dataclass(frozen=True)
class Record:
    """One record of type 1326. Ids are those of the initial namespaces; ``code`` is the filter's action without its data."""

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
    header = _HEADER.match(text)
    if header is None:
        return None
    fields = dict(_FIELD.findall(text, header.end()))
    try:
        return Record(
            serial=int(header[3]),
            time_ns=(int(header[1]) * 1000 + int(header[2])) * 1_000_000,
            pid=int(fields["pid"]),
            uid=int(fields["uid"]),
            gid=int(fields["gid"]),
            comm=_untrusted(fields["comm"]),
            syscall=int(fields["syscall"]),
            code=int(fields["code"], 16),
        )
    except (KeyError, ValueError):
        return None


def serial(text: str) -> int | None:
    """Serial number of any audit record; the kernel counts all types in one row."""
    header = _HEADER.match(text)
    return int(header[3]) if header else None


def _untrusted(value: str) -> str:
    """Undo audit_log_untrustedstring: quoted as it is, or hexadecimal when it holds a quote, a space or a control character."""
    if value.startswith('"'):
        return value[1:-1]
    return bytes.fromhex(value).decode(errors="replace")
