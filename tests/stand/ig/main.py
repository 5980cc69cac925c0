# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Start and end of a run: arguments, namespaces, signals, time limit, exit code."""

import ctypes
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import netlink, output
from .containers import TASKS
from .event import Names
from .flags import Options, UsageError, parse
from .selection import Selection
from .tracer import Tracer

CLONE_NEWNET = 0x40000000
SYSCALL_TABLE = Path(__file__).with_name("syscalls.json")
STOPPING = (signal.SIGTERM, signal.SIGINT)


class RunError(Exception):
    """The run cannot start; what ``ig`` prints after ``Error:``."""


def main(argv: Sequence[str]) -> int:
    """Run with these arguments; returns the exit code."""
    try:
        options = parse(argv)
        if not options.gadget or options.flags["help"]:
            os.write(1, b"Usage:\n  ig run [flags]\n")
            return 0
        return run(options, Path(os.environ.get("HOST_ROOT", "/")))
    except (UsageError, RunError) as error:
        output.error(str(error))
        return 1


def run(options: Options, host_root: Path) -> int:
    """Show events until the time is over or a signal comes.

    :param host_root: where the root directory of the host is.
    :raises RunError: unknown gadget, or this node has not what it takes.
    """
    _require_gadget(options)
    if not options.flags["verify-image"]:
        output.log("warning", "gadget signature verification is disabled due to using corresponding option")
    wake = _Stop()
    _hurry()
    writer = output.Writer(options.values["output"])
    tracer = _tracer(options, host_root, writer)
    output.header(options.values["output"])
    if options.flags["verbose"]:
        output.log("debug", "running...")
    # the time counts from here, not from the start of the program
    end = time.monotonic() + options.timeout_seconds if options.timeout_seconds > 0 else float("inf")
    while not wake.requested and (left := end - time.monotonic()) > 0:
        tracer.wait(wake.socket, min(left * 1000, 60_000))
        tracer.step()
    writer.close()
    return 0


def _hurry() -> None:
    """Come before others: a container that lives for milliseconds has to be looked at while it is there."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except PermissionError:
        output.log("debug", "no right to a higher priority")


def _tracer(options: Options, host_root: Path, writer: output.Writer) -> Tracer:
    buffer = int(os.environ.get("IG_STAND_RECEIVE_BUFFER", netlink.AUDIT_BUFFER))
    if not {name.strip() for name in options.list("runtimes")} & {"containerd"} or not (host_root / TASKS).is_dir():
        output.log("warning", "Failed to create container-collection: no container runtime on this node")
        raise RunError("initializing and preparing operators: container-collection isn't available")
    _enter_network_namespace(host_root / "proc")
    names = Names.of_host(host_root, SYSCALL_TABLE)
    try:
        return Tracer(host_root, names, Selection(options), writer.put, buffer)
    except OSError as error:
        raise RunError(f'attaching eBPF program "ig_audit_secc": {error.strerror}') from error


def _require_gadget(options: Options) -> None:
    if "audit_seccomp" in options.gadget:
        return
    policy = {"missing": " (if missing)", "always": " (always)"}.get(options.values["pull"], "")
    raise RunError(
        'fetching gadget information: initializing and preparing operators: instantiating operator "oci": '
        f'ensuring image: pulling image{policy} "{options.gadget}": failed to resolve reference: not found'
    )


def _enter_network_namespace(proc: Path) -> None:
    """The kernel sends audit records and process events to the initial network namespace only.

    The host's first process is in it, but may not be looked into when it has more capabilities than this one; the
    host's containerd is in it too.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for process in _host_processes(proc):
        try:
            with open(process / "ns" / "net", "rb") as opened:
                failed = libc.setns(opened.fileno(), CLONE_NEWNET)
        except OSError:
            continue
        if failed:
            raise RunError(f"entering the network namespace of the host: {os.strerror(ctypes.get_errno())}")
        return
    raise RunError("no process in the network namespace of the host can be looked into")


def _host_processes(proc: Path) -> Iterator[Path]:
    yield proc / "1"
    for comm in proc.glob("[0-9]*/comm"):
        try:
            if comm.read_text() == "containerd\n":
                yield comm.parent
        except OSError:  # it has ended
            continue


class _Stop:
    """A request to stop: the first signal ends the run, a second one the program with exit code 1."""

    def __init__(self) -> None:
        self.requested = False
        self.socket, writer = socket.socketpair()
        writer.setblocking(False)
        self._writer = writer
        signal.set_wakeup_fd(writer.fileno())
        for number in STOPPING:
            signal.signal(number, self._handle)

    def _handle(self, _number: int, _frame: object) -> None:
        if self.requested:
            os._exit(1)
        self.requested = True
