# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The process that stands beside the command under ``try``: it starts the command, answers for the filter, and counts.

A process of its own, because az has threads and the hand-over needs a process without. Started by ``run`` with the
words AZ_PID REQUEST_FD REPORT_FD; each end says one JSON object (``protocol.Request``, ``protocol.Report``).
"""

import os
import select
import signal
import sys
import time
from collections.abc import Iterable

import msgspec

from azext_seccomp.errors import SeccompError
from azext_seccomp.local import handover, kernel, processes, program, protocol
from azext_seccomp.local.recorder import EXEC, Denied, Recorder, Tally
from azext_seccomp.profile.codec import decode
from azext_seccomp.profile.evaluate import Decision, Filter
from azext_seccomp.profile.explain import arguments_in_words
from azext_seccomp.profile.model import Action
from azext_seccomp.profile.syscalls import name_of

_END_SECONDS = 10.0
_NO_TRACER = 38  # what the kernel answers for TRACE without a tracer and for NOTIFY without a listener: ENOSYS
_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_DEADLY = frozenset({Action.KILL_PROCESS, Action.KILL_THREAD, Action.TRAP})


class Supervisor:
    """Answers every notification of one command until it and all that it started have ended."""

    def __init__(self, rules: Filter, recorder: Recorder, *, enforce: bool) -> None:
        """
        :param enforce: refuse what the profile refuses; otherwise only what it answers with ENOSYS, because programs do
            something else after that answer, and that is what has to be seen.
        """
        self._rules = rules
        self._recorder = recorder
        self._enforce = enforce

    def run(self, started: handover.Started, stop: int, seconds: float | None) -> protocol.Ending:
        """Answer until the command ends; what it leaves behind is ended then, as in a container.

        :param stop: a descriptor that becomes readable when the command is to be ended early.
        :param seconds: how long the command may take; None for ever.
        """
        pidfd = os.pidfd_open(started.pid)
        reason = self._answer_until_end(started.listener, pidfd, stop, seconds)
        if reason:
            os.kill(started.pid, signal.SIGKILL)
        os.close(pidfd)
        _, status = os.waitpid(started.pid, 0)
        left_behind = processes.end_children(_END_SECONDS)
        return protocol.Ending(os.waitstatus_to_exitcode(status), reason, left_behind)

    def _answer_until_end(
        self, listener: kernel.Listener, pidfd: int, stop: int, seconds: float | None
    ) -> protocol.EndedBy:
        poller = select.poll()
        for descriptor in (listener.fd, pidfd, stop):
            poller.register(descriptor, select.POLLIN)
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            ready = dict(poller.poll(None if end is None else max(0.0, end - time.monotonic()) * 1000))
            if ready.get(listener.fd, 0) & select.POLLIN:
                self._answer(listener)
            elif ready.get(listener.fd, 0) & select.POLLHUP:
                poller.unregister(listener.fd)  # nobody is under the filter any more
            if pidfd in ready:
                return ""
            if stop in ready:
                return "signal"
            if end is not None and time.monotonic() >= end:
                return "duration"

    def _answer(self, listener: kernel.Listener) -> None:
        notification = listener.receive()
        if notification is None:
            return
        comm = _comm(notification.thread)
        syscall = name_of(notification.number, notification.architecture) or f"syscall_{notification.number}"
        decision = self._rules.decide(notification.number, notification.args, notification.architecture)
        self._recorder.add(comm, syscall, notification, decision)
        refused = decision.falls_back or (self._enforce and decision.denies and decision.action not in _DEADLY)
        if refused and (comm != handover.MARK or syscall == EXEC):
            listener.refuse(notification, _errno_of(decision))
        else:
            listener.let_through(notification)


def supervise(request: protocol.Request, stop: int, ignored: frozenset[int]) -> protocol.Report:
    """Run the command of ``request`` and report on it.

    :param stop: as for :meth:`Supervisor.run`.
    :param ignored: signals that the command is to ignore from its start.
    :raises SeccompError: the command could not be started under the profile.
    """
    profile = decode(request.profile.encode(), "the profile")
    replace = program.notify_refusals if request.enforce else program.notify_all_denials
    recorder = Recorder(arguments_in_words)
    native = kernel.native_architecture()
    assert native is not None  # az has looked before it started us
    supervisor = Supervisor(Filter(profile, native), recorder, enforce=request.enforce)
    installable = program.compile_profile(profile, replace)
    started_at = time.time()
    started = handover.start(request.argv, request.environment, installable, ignored)
    ending = supervisor.run(started, stop, request.seconds)
    if started.exec_error() and not recorder.startup:
        raise handover.exec_failure(request.argv[0], started.exec_error())
    return protocol.Report(
        ending=ending,
        no_new_privileges=started.no_new_privileges(),
        denied=_rows(recorder.denied.items()),
        startup=_rows(recorder.startup.items()),
        uncounted=recorder.uncounted,
        started_at=started_at,
        ended_at=time.time(),
    )


def main() -> None:
    """Entry of the process; its command line ends with az's pid and the descriptors of the request and the report."""
    parent, request_fd, report_fd = map(int, sys.argv[-3:])
    processes.adopt_orphans()
    ignored = frozenset(number for number in _OURS if signal.getsignal(number) is signal.SIG_IGN)
    stop = _readable_on_signal()
    if not processes.die_with_parent(signal.SIGTERM, parent):
        return
    with open(request_fd, "rb") as file:
        request = msgspec.json.decode(file.read(), type=protocol.Request)
    os.set_inheritable(report_fd, False)
    try:
        report = supervise(request, stop, ignored)
    except SeccompError as error:
        report = protocol.Report(problem=protocol.Problem(type(error).__name__, error.what, error.why, error.fix))
    with open(report_fd, "wb") as file:
        file.write(msgspec.json.encode(report))


def _readable_on_signal() -> int:
    """A descriptor that becomes readable on SIGTERM or SIGHUP. Ctrl-C is the command's own affair."""
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write)
    for number in _OURS:
        signal.signal(number, signal.SIG_IGN if number is signal.SIGINT else lambda *_: None)
    return read


def _errno_of(decision: Decision) -> int:
    """What a refused call returns; 0, which a profile may ask for, makes it look as if it had been carried out."""
    return decision.errno if decision.action is Action.ERRNO and decision.errno is not None else _NO_TRACER


def _comm(thread: int) -> str:
    """The name of a thread that waits for us; it may have been killed while it waited."""
    try:
        with open(f"/proc/{thread}/comm", "rb") as file:
            return file.read().rstrip(b"\n").decode(errors="replace")
    except OSError:
        return "?"


def _rows(tallies: Iterable[tuple[Denied, Tally]]) -> list[protocol.Denial]:
    return [
        protocol.Denial(
            comm=denied.comm,
            syscall=denied.syscall,
            architecture=denied.architecture,
            action=denied.decision.action.value,
            errno=denied.decision.errno,
            detail=denied.detail,
            count=tally.count,
            first=tally.first,
            last=tally.last,
        )
        for denied, tally in tallies
    ]
