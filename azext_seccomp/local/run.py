# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""az's side of ``try``: starts the supervisor, waits for its report whatever happens to either."""

import contextlib
import itertools
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import BufferedReader, BufferedWriter
from pathlib import Path

import msgspec

from azext_seccomp import errors
from azext_seccomp.local import kernel, processes
from azext_seccomp.local.protocol import Problem, Report, Request

_END_SECONDS = 5.0
_STANDARD_ERROR = 2  # not what sys.stderr is: that may be no file
# isolated (-I): neither PYTHON* variables nor a module in the user's working directory has a say in what it runs
_BOOTSTRAP = "import sys; sys.path.append(sys.argv[1]); from azext_seccomp.local.supervisor import main; main()"


def split_command(command: str) -> list[str]:
    """Words of a command line, the first one made the path of its program.

    :raises InvalidInput: nothing to run, unbalanced quotes, or no such program on PATH.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise errors.InvalidInput(
            "The value of --command cannot be split into words.", why=f"{error}.", fix="Balance its quotes."
        ) from error
    if not words:
        raise errors.InvalidInput("The value of --command is empty.", fix="Give a program and its arguments.")
    path = shutil.which(words[0])
    if path is None:
        raise errors.InvalidInput(
            f"The command '{words[0]}' was not found.",
            why="It is neither an executable file nor on PATH.",
            fix="Give a program and its arguments; for a shell line use --command \"sh -c '...'\".",
        )
    return [path, *words[1:]]


def is_privileged(path: str) -> bool:
    """Whether the program takes another user's rights when it starts (set-user-ID or set-group-ID)."""
    return bool(os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID))


def user_environment() -> list[bytes]:
    """The environment as the user had it, ``NAME=value`` each: what az and Python added to their own is not theirs."""
    return [entry for entry in Path("/proc/self/environ").read_bytes().split(b"\0") if b"=" in entry]


def run(request: Request) -> Report:
    """Run a command under supervision; its standard output goes to our standard error, because ours is the report's.

    Ctrl-C reaches the command from the terminal; a second one has it ended from here.

    :raises SeccompError: the command could not be started, or the supervisor was killed.
    """
    before = frozenset(processes.children())
    try:
        processes.adopt_orphans()
    except OSError as error:
        raise kernel.refusal(error) from error
    try:
        text = _supervise(request)
    finally:
        processes.end_children(_END_SECONDS, spare=before)
        processes.adopt_orphans(False)
    return _checked(text)


def _supervise(request: Request) -> bytes:
    with contextlib.ExitStack() as stack:
        request_read, request_write = _pipe()
        report_read, report_write = _pipe()
        for end in (request_read, report_read, report_write):
            stack.enter_context(end)
        stack.callback(_close_quietly, request_write)
        words = [os.getpid(), request_read.fileno(), report_write.fileno()]
        supervisor = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOTSTRAP, _package_root(), *map(str, words)],
            stdout=_STANDARD_ERROR,
            pass_fds=(request_read.fileno(), report_write.fileno()),
        )
        stack.callback(_end, supervisor)
        stack.enter_context(_second_interrupt_ends(supervisor))
        request_read.close()
        report_write.close()
        with contextlib.suppress(BrokenPipeError):  # a supervisor that has died is told of below
            request_write.write(msgspec.json.encode(request))
            request_write.close()
        return report_read.read()


@contextlib.contextmanager
def _second_interrupt_ends(supervisor: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Within it the first Ctrl-C is the command's own affair, from the second on the command is ended."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    presses = itertools.count(1)
    signal.signal(signal.SIGINT, lambda *_: supervisor.terminate() if next(presses) > 1 else None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _pipe() -> tuple[BufferedReader, BufferedWriter]:
    read, write = os.pipe()
    return os.fdopen(read, "rb"), os.fdopen(write, "wb")


def _close_quietly(pipe: BufferedWriter) -> None:
    """Close a pipe whose reader may be gone."""
    with contextlib.suppress(BrokenPipeError):
        pipe.close()


def _end(supervisor: "subprocess.Popen[bytes]") -> None:
    if supervisor.poll() is None:
        supervisor.terminate()
    supervisor.wait()


def _package_root() -> str:
    return str(Path(__file__).resolve().parents[2])


def _checked(text: bytes) -> Report:
    """
    :raises SeccompError: what the supervisor could not do, or that it was killed.
    """
    if not text:
        raise errors.ServerFault(
            "The supervisor of the command was ended from outside.",
            why="It left no report; the command and what it started were ended with it.",
            fix="Run it again; if memory is short, give it more.",
        )
    report = msgspec.json.decode(text, type=Report)
    if report.problem is not None:
        raise _as_error(report.problem)
    return report


def _as_error(problem: Problem) -> errors.SeccompError:
    kind = getattr(errors, problem.kind, errors.SeccompError)
    error: errors.SeccompError = kind(problem.what, why=problem.why, fix=problem.fix)
    return error
