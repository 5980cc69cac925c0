# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Every call is counted, once: against what programs do by construction, against strace, against the kernel."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pyseccomp
import pytest

from tests.kernel.attempts import CALL, counts, denying, try_
from tests.stand.cluster.audit_stream import AuditStream

pytestmark = pytest.mark.kernel

#: Ways of caller.c, and how many calls each makes.
WAYS = {
    "calls 5000": 5000,
    "threads 16 200": 16 * 200,
    "children 64 50": 64 * 50,
    "storm 8": 2**9 - 1,
    "execs 200": 201,
}
USER = 64321  # of nobody else: the kernel's records name it


@pytest.mark.parametrize("way", WAYS)
def test_no_call_is_missed_or_counted_twice(caller: Path, way: str) -> None:
    report = try_(denying(), f"{caller} {way}")
    assert counts(report) == {("caller", CALL): WAYS[way]}
    assert report["command"] == {
        "argv": [str(caller), *way.split()],
        "exitCode": 0,
        "signal": None,
        "endedBy": "itself",
        "leftBehind": 0,
    }


@pytest.mark.parametrize("way", WAYS)
def test_strace_counts_the_same_in_the_same_run(caller: Path, way: str, tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    report = try_(denying(), f"strace -f -c -o {summary} {caller} {way}")
    (line,) = [line for line in summary.read_text().splitlines() if line.split()[-1:] == [CALL]]
    assert counts(report) == {("caller", CALL): int(line.split()[3])}


def test_strace_sees_the_same_calls_of_a_shell_line(tmp_path: Path) -> None:
    """Several programs, by name: strace -f tells which process made a call, and what it executed before."""
    log = tmp_path / "log"
    names = ("getuid", "geteuid", "uname", "sysinfo", "pipe2", "socket", "newfstatat", "chmod")
    line = f"cd {tmp_path}; for i in 1 2 3 4 5; do id; uname -a; touch $i; chmod 600 $i; ls -l | wc -l; done"
    report = try_(denying(names), f"strace -f -qq -o {log} -e trace=execve,{','.join(names)} sh -c '{line}'")
    of_strace_itself = {key: count for key, count in counts(report).items() if key[0] == "strace"}
    assert counts(report) - Counter(of_strace_itself) == _calls_in(log.read_text())


def _calls_in(log: str) -> Counter[tuple[str, str]]:
    comms: dict[str, str] = {}
    found: Counter[tuple[str, str]] = Counter()
    for pid, syscall, rest in re.findall(r"^(\d+) +(\w+)\((.*)$", log, re.MULTILINE):
        if syscall == "execve":
            if "= 0" in rest or "unfinished" in rest:
                comms[pid] = re.findall(r'^"(?:[^"]*/)?([^"/]*)"', rest)[0]
        else:
            found[comms.get(pid, "sh"), syscall] += 1
    return found


@pytest.mark.alone
@pytest.mark.parametrize("way", WAYS)
def test_the_kernel_records_the_same(caller: Path, way: str) -> None:
    """The same program under the LOG variant: one record of the kernel for each call."""
    with AuditStream() as stream:
        subprocess.run([caller, *way.split()], user=USER, preexec_fn=_log_calls, check=True)
        logged = Counter(record.comm for record in stream.records(user=USER))
    assert counts(try_(denying(), f"{caller} {way}")) == {(comm, CALL): count for comm, count in logged.items()}


def _log_calls() -> None:
    built = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    built.add_rule(pyseccomp.LOG, CALL)
    built.load()


@pytest.mark.parametrize("restart", [0, 1])
def test_calls_that_signals_interrupt(caller: Path, tmp_path: Path, restart: int) -> None:
    """A call that a signal ends before it was seen returns EINTR, or is made again: it is never counted twice."""
    report = try_(denying(), f"sh -c '{caller} interrupted {restart} 20000 > {tmp_path}/broken'")
    broken = int((tmp_path / "broken").read_text())
    assert counts(report) == {("caller", CALL): 20000 - broken}
    assert broken == 0 or not restart


def test_a_name_hides_nothing(caller: Path) -> None:
    """Neither one like that of the hand-over, nor one with control characters."""
    report = try_(denying(), f"{caller} renamed try-0123456789")
    assert counts(report) == {("try-0123456789", CALL): 1}
    report = try_(denying(), f"{caller} renamed '\x1b[31mred'")
    ((comm, _),) = counts(report)
    assert comm.isprintable()


@pytest.mark.parametrize(("way", "architecture"), [("i386", "i386"), ("x32", "x32")])
def test_calls_of_other_architectures(caller: Path, way: str, architecture: str) -> None:
    report = try_(denying(), f"{caller} {way}")
    assert [(one["syscall"], one["architecture"], one["count"]) for one in report["findings"]] == [
        (CALL, architecture, 1)
    ]
