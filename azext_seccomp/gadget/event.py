# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One line of a collector's log, read as a seccomp event.

The JSON is that of the gadget ``audit_seccomp`` under ``ig run -o json``. Versions differ: up to v0.34 the process
fields stand at the top level, from v0.35 in ``proc``; ``timestamp_raw`` and ``code_raw`` may be missing in older
ones. Only what is used is decoded; all else, ``ustack`` and ``podLabels`` among it, may be anything.
"""

import re
from functools import lru_cache
from typing import Annotated

import msgspec

from azext_seccomp.cluster.text import printable
from azext_seccomp.gadget.notices import Notice, parse_words
from azext_seccomp.gadget.timestamps import nanoseconds

MAX_LINE = 64 * 1024  # an event has 1.2 to 1.4 kB; kubelet's own limit for a line is 16 kB

_MAX_NAME = 253  # of a Kubernetes object
_MAX_COMM = 64  # TASK_COMM_LEN is 16 bytes, each of them may need an escape of four characters
_MAX_IMAGE = 512
_SYSCALL = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_CODE = re.compile(r"SECCOMP_RET_[A-Z_]{1,32}", re.ASCII)

# include/uapi/linux/seccomp.h; the lower 16 bits are data, not action
_RET_ACTION_FULL = 0xFFFF0000
_CODES = {
    0x80000000: "SECCOMP_RET_KILL_PROCESS",
    0x00000000: "SECCOMP_RET_KILL_THREAD",
    0x00030000: "SECCOMP_RET_TRAP",
    0x00050000: "SECCOMP_RET_ERRNO",
    0x7FC00000: "SECCOMP_RET_USER_NOTIF",
    0x7FF00000: "SECCOMP_RET_TRACE",
    0x7FFC0000: "SECCOMP_RET_LOG",
    0x7FFF0000: "SECCOMP_RET_ALLOW",
}
UNKNOWN_CODE = "UNKNOWN"

_Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Event(msgspec.Struct, frozen=True, gc=False):
    """One call that a seccomp filter logged or refused. Text is fit to be shown: bounded, no control characters.

    ``timestamp_ns`` is wall-clock time in nanoseconds since 1970, 0 when the gadget gave none. ``pid`` and ``tid``
    are those of the node. ``syscall`` is the gadget's name, lower case, without ``SYS_``: a name of the node's own
    architecture, so 32-bit and x32 calls are misnamed and ``syscall_nr`` is what the kernel saw (-1 when not given).
    """

    timestamp_ns: int
    node: str
    namespace: str
    pod: str
    container: str
    comm: str
    pid: int
    tid: int
    code: str
    code_raw: int
    syscall: str
    syscall_nr: int
    container_id: str
    mntns_id: int
    image: str


class _Proc(msgspec.Struct, gc=False):
    comm: str = ""
    pid: _Natural = 0
    tid: _Natural = 0
    mntns_id: _Natural = 0


class _K8s(msgspec.Struct, gc=False, rename="camel"):
    namespace: str = ""
    pod_name: str = ""
    container_name: str = ""


class _Runtime(msgspec.Struct, gc=False, rename="camel"):
    container_name: str = ""
    container_id: str = ""
    container_image_name: str = ""


_NO_K8S = _K8s()
_NO_RUNTIME = _Runtime()


class _Line(_Proc, gc=False):
    """The fields at the top level; those of ``_Proc`` only up to v0.34."""

    code: str = ""
    code_raw: _Natural | None = None
    syscall: str = ""
    syscall_raw: _Natural | None = None
    timestamp: str = ""
    timestamp_raw: _Natural = 0
    k8s: _K8s | None = None
    proc: _Proc | None = None
    runtime: _Runtime | None = None


_decode = msgspec.json.Decoder(_Line).decode


def parse(line: bytes, node: str) -> Event | Notice | None:
    """Read one line of the log of the collector on ``node``. Never raises: whatever the line holds, the worst is a
    Notice.

    A JSON line that cannot be read as an event is a Notice of kind ``lost`` for one event, so that it cannot pass as
    silence.
    """
    if line[:1] != b"{":
        return parse_words(line)
    if len(line) > MAX_LINE:
        return _unreadable("longer than any event")
    try:
        found = _decode(line)
    except UnicodeDecodeError:
        return _second_reading(line, node)
    except (msgspec.MsgspecError, RecursionError) as error:
        return _unreadable(str(error))
    return _event(found, node)


def _second_reading(line: bytes, node: str) -> Event | Notice:
    """A process names itself: bytes that are no UTF-8 in ``comm`` must not hide its calls."""
    try:
        return _event(_decode(line.decode("utf-8", "replace")), node)
    except (msgspec.MsgspecError, RecursionError) as error:
        return _unreadable(str(error))


def _unreadable(why: str) -> Notice:
    return Notice("lost", f"an event could not be read: {printable(why)}", 1)


def _event(line: _Line, node: str) -> Event | Notice:
    if not line.syscall and line.syscall_raw is None:
        return _unreadable("it names no syscall")
    k8s, runtime, proc = line.k8s or _NO_K8S, line.runtime or _NO_RUNTIME, line.proc or line
    number = -1 if line.syscall_raw is None else line.syscall_raw
    return Event(
        line.timestamp_raw or nanoseconds(line.timestamp) or 0,
        node,
        _shown(k8s.namespace, _MAX_NAME),
        _shown(k8s.pod_name, _MAX_NAME),
        _shown(k8s.container_name or runtime.container_name, _MAX_NAME),
        _shown(proc.comm, _MAX_COMM),
        proc.pid,
        proc.tid,
        _code_name(line.code, line.code_raw),
        -1 if line.code_raw is None else line.code_raw,
        _syscall_name(line.syscall, number),
        number,
        _shown(runtime.container_id, _MAX_NAME),
        proc.mntns_id,
        _shown(runtime.container_image_name, _MAX_IMAGE),
    )


def _shown(text: str, limit: int) -> str:
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    return printable(text, limit)


@lru_cache(maxsize=2048)
def _syscall_name(name: str, number: int) -> str:
    """``SYS_UNSHARE`` → ``unshare``; what the gadget does not know, or what is no name, is called by its number."""
    plain = name.lower().removeprefix("sys_")
    if _SYSCALL.fullmatch(plain) and plain != "unknown":
        return plain
    return f"syscall_{number}" if number >= 0 else "unknown"


@lru_cache(maxsize=256)
def _code_name(name: str, raw: int | None) -> str:
    if _CODE.fullmatch(name):
        return name
    return UNKNOWN_CODE if raw is None else _CODES.get(raw & _RET_ACTION_FULL, UNKNOWN_CODE)
