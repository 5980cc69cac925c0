# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The process that stands beside the command under ``try``: it starts the command, answers for the filter, and counts.

A process of its own, because az has threads and the hand-over needs a process without. Started by ``run`` with the
words AZ_PID REQUEST_FD REPORT_FD; each end says one JSON object (``protocol.Request``, ``protocol.Report``).
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterable

import msgspec

from azext_seccomp.errors import SeccompError
from azext_seccomp.local import handover, kernel, processes, protocol
from azext_seccomp.local.recorder import EXEC, Denied, Recorder, Tally
from azext_seccomp.profile.codec import decode
from azext_seccomp.profile.evaluate import Decision, Filter
from azext_seccomp.profile.explain import arguments_in_words
from azext_seccomp.profile.model import Action
from azext_seccomp.profile.syscalls import name_of

_GRACE_SECONDS = 5.0  # between asking the command to end (SIGTERM) and ending it
_KILL_SECONDS = 10.0
_NO_TRACER = 38  # what the kernel answers for TRACE without a tracer and for NOTIFY without a listener: ENOSYS
_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ENDING = frozenset({signal.SIGTERM, signal.SIGHUP})
_DEADLY = frozenset({Action.KILL_PROCESS, Action.KILL_THREAD, Action.TRAP})


class Signals:
    """The signals that this process gets, in a form that poll(2) can wait for. Ctrl-C is the command's own affair."""

    def __init__(self) -> None:
        self.fd, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.ignored = frozenset(number for number in _OURS if signal.getsignal(number) is signal.SIG_IGN)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (*_ENDING, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)

    def received(self) -> frozenset[int]:
        """Numbers of those since the last look; those that came in great number may be missing."""
        with contextlib.suppress(BlockingIOError):
            return frozenset(os.read(self.fd, 65536))
        return frozenset()


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
        self._names = processes.Names()
        self._command = 0
        self._handing_over = True
        self._whole_processes = 0

    def run(self, started: handover.Started, signals: Signals, seconds: float | None) -> protocol.Ending:
        """Answer until the command ends; what it leaves behind is ended then, as in a container.

        A command that takes too long, or that is to be ended by a signal to this process, gets SIGTERM and SIGKILL some
        seconds later, as in a container.

        :param seconds: how long the command may take; None for ever.
        """
        self._command = started.pid
        poller = select.poll()
        poller.register(started.listener.fd, select.POLLIN)
        poller.register(signals.fd, select.POLLIN)
        limit = None if seconds is None else time.monotonic() + seconds
        reason: protocol.EndedBy = ""
        while True:
            ready = dict(poller.poll(None if limit is None else max(0.0, limit - time.monotonic()) * 1000))
            if ready.get(started.listener.fd, 0) & select.POLLIN:
                self._answer(started.listener)
            elif started.listener.fd in ready:
                poller.unregister(started.listener.fd)  # nobody is under the filter any more
            received = signals.received() if signals.fd in ready else frozenset()
            exit_code = processes.reap_children().get(started.pid) if received else None
            if exit_code is not None:
                left_behind = processes.end_children(_KILL_SECONDS)
                return protocol.Ending(exit_code, reason, left_behind, self._whole_processes)
            over = limit is not None and time.monotonic() >= limit
            if over or received & _ENDING:
                os.kill(started.pid, signal.SIGKILL if reason else signal.SIGTERM)
                reason = reason or ("duration" if over else "signal")
                limit = time.monotonic() + _GRACE_SECONDS

    def _answer(self, listener: kernel.Listener) -> None:
        notification = listener.receive()
        if notification is None:
            return
        number, thread = notification.number, notification.thread
        decision = self._rules.decide(number, notification.args, notification.architecture)
        if not decision.denies:  # this machine's libseccomp does not know a syscall that the profile allows
            listener.let_through(notification)
            return
        comm = self._names.of(thread)
        starting = self._handing_over and thread == self._command
        if starting and comm != handover.MARK:
            starting = self._handing_over = False
        syscall = name_of(number, notification.architecture) or f"syscall_{number}"
        self._recorder.add(comm, syscall, notification, decision, starting=starting)
        if not self._refuses(decision) or (starting and syscall != EXEC):
            listener.let_through(notification)
            return
        if decision.action in _DEADLY:
            shared = processes.end_with_sigsys(thread, catchable=decision.action is Action.TRAP)
            self._whole_processes += shared and decision.action is Action.KILL_THREAD
        listener.refuse(notification, _errno_of(decision))

    def _refuses(self, decision: Decision) -> bool:
        return self._enforce or decision.falls_back


def supervise(request: protocol.Request, signals: Signals) -> protocol.Report:
    """Run the command of ``request`` and report on it.

    :raises SeccompError: the command could not be started under the profile.
    """
    from azext_seccomp.local import program  # the import tells when libseccomp is missing

    profile = decode(request.profile.encode(), "the profile")
    recorder = Recorder(arguments_in_words)
    native = kernel.native_architecture()
    assert native is not None  # az has looked before it started us
    supervisor = Supervisor(Filter(profile, native), recorder, enforce=request.enforce)
    installable = program.compile_profile(profile)
    started_at = time.time()
    started = handover.start(request.argv, request.environment, installable, signals.ignored)
    ending = supervisor.run(started, signals, request.seconds)
    if started.exec_error() and not recorder.startup:
        raise handover.exec_failure(os.fsdecode(request.argv[0]), started.exec_error())
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
    signals = Signals()
    os.set_inheritable(report_fd, False)
    with open(request_fd, "rb") as file:
        request = file.read()
    report = _report(parent, request, signals)
    with contextlib.suppress(BrokenPipeError), open(report_fd, "wb") as reply:  # az may have been killed
        reply.write(msgspec.json.encode(report))


def _report(parent: int, request: bytes, signals: Signals) -> protocol.Report:
    try:
        processes.adopt_orphans()
        if not processes.die_with_parent(signal.SIGTERM, parent):
            return protocol.Report()  # for nobody
        return supervise(msgspec.json.decode(request, type=protocol.Request), signals)
    except SeccompError as error:
        return _problem(error)
    except OSError as error:
        return _problem(kernel.refusal(error))


def _problem(error: SeccompError) -> protocol.Report:
    return protocol.Report(problem=protocol.Problem(type(error).__name__, error.what, error.why, error.fix))


def _errno_of(decision: Decision) -> int:
    """What a refused call returns; 0, which a profile may ask for, makes it look as if it had been carried out."""
    return decision.errno if decision.action is Action.ERRNO and decision.errno is not None else _NO_TRACER


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
