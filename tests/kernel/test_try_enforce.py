# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``--enforce``: the command meets what it would meet under the profile itself, and what it met is counted."""

import ctypes
import struct
import subprocess
from pathlib import Path

import pytest

from azext_seccomp.local import kernel
from azext_seccomp.profile.model import Profile
from tests.kernel.attempts import CALL, counts, denying, profile, try_
from tests.kernel.runc_filter import program

pytestmark = pytest.mark.kernel

PLANS = ("default", "caught", "ignored", "blocked")
OLD = {
    "defaultAction": "SCMP_ACT_KILL_PROCESS",
    "syscalls": [{"names": ["read", "openat2"], "action": "SCMP_ACT_ALLOW"}],
}


def in_the_kernel(under: Profile, argv: list[str]) -> "subprocess.CompletedProcess[bytes]":
    """The command under the profile as runc would load it."""
    code = b"".join(struct.pack("=HBBI", step.code, step.jt, step.jf, step.k) for step in program(under))
    installer = kernel.Installer(code)

    def load() -> None:
        if installer.install():
            raise OSError(ctypes.get_errno(), "the filter was not loaded")

    return subprocess.run(argv, preexec_fn=load, stdout=subprocess.PIPE, check=False)


@pytest.mark.parametrize(
    ("action", "errno"),
    [
        ("SCMP_ACT_ERRNO", None),
        ("SCMP_ACT_ERRNO", 0),
        ("SCMP_ACT_ERRNO", 13),
        ("SCMP_ACT_ERRNO", 38),
        ("SCMP_ACT_ERRNO", 133),
        ("SCMP_ACT_TRACE", 5),
        ("SCMP_ACT_TRAP", None),
        ("SCMP_ACT_KILL", None),
        ("SCMP_ACT_KILL_THREAD", None),
        ("SCMP_ACT_KILL_PROCESS", None),
        ("SCMP_ACT_LOG", None),
    ],
)
def test_the_same_end_as_under_the_profile_itself(caller: Path, action: str, errno: int | None) -> None:
    under = denying(action=action, errno=errno)
    truth = in_the_kernel(under, [str(caller), "result"])
    report = try_(under, f"{caller} result", enforce=True)
    ended = report["command"]
    assert (ended["exitCode"] if ended["signal"] is None else -ended["signal"]) == truth.returncode
    assert counts(report) == ({} if action == "SCMP_ACT_LOG" else {("caller", CALL): 1})


@pytest.mark.parametrize("action", ["SCMP_ACT_TRAP", "SCMP_ACT_KILL_PROCESS"])
@pytest.mark.parametrize("plan", PLANS)
def test_plans_for_sigsys(caller: Path, action: str, plan: str) -> None:
    """What the kernel does with SIGSYS whatever the process wants, is done from outside with SIGKILL if need be."""
    under = denying(action=action)
    truth = in_the_kernel(under, [str(caller), "sigsys", plan])
    ended = try_(under, f"{caller} sigsys {plan}", enforce=True)["command"]
    if truth.returncode == 0:
        assert (action, plan, ended["exitCode"]) == ("SCMP_ACT_TRAP", "caught", 0)
    else:
        assert truth.returncode == -31
        assert ended["signal"] == (31 if plan == "default" else 9)


def test_threads_that_would_be_killed(caller: Path) -> None:
    report = try_(denying(action="SCMP_ACT_KILL_THREAD"), f"{caller} threads 4 1", enforce=True)
    assert report["command"]["signal"] == 31
    assert any("KILL_THREAD" in note for note in report["notes"])
    assert report["verdict"] == "blocked"


def test_a_child_that_is_killed_is_seen(caller: Path) -> None:
    report = try_(denying(action="SCMP_ACT_KILL"), f"sh -c '{caller} calls 3; echo $?; true'", enforce=True)
    assert report["command"]["exitCode"] == 0
    assert counts(report) == {("caller", CALL): 1}
    assert report["verdict"] == "blocked"


def test_without_it_everything_goes_on(caller: Path) -> None:
    for action in ("SCMP_ACT_KILL", "SCMP_ACT_TRAP", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY", "SCMP_ACT_ERRNO"):
        report = try_(denying(action=action), f"{caller} calls 3")
        assert report["command"]["exitCode"] == 0
        assert counts(report) == {("caller", CALL): 3}


def test_enosys_is_answered_without_it_too(caller: Path) -> None:
    """Programs do something else after it, and that has to be seen."""
    report = try_(denying(errno=38), f"{caller} result")
    assert report["command"]["exitCode"] == 38
    assert report["verdict"] == "fallback"


def test_syscalls_newer_than_the_profile_get_enosys_even_where_others_are_killed() -> None:
    """As runc's stub does."""
    number = "import ctypes; c = ctypes.CDLL(None, use_errno=True); c.syscall(600); print(ctypes.get_errno())"
    report = try_(profile(OLD), f'python3 -c "{number}"')
    assert ("python3", "syscall_600") in counts(report)
    (finding,) = [one for one in report["findings"] if one["syscall"] == "syscall_600"]
    assert finding["class"] == "fallback"


def test_an_audit_profile_is_taken_for_what_it_would_refuse(caller: Path) -> None:
    report = try_(denying(action="SCMP_ACT_LOG"), f"{caller} calls 3")
    assert counts(report) == {("caller", CALL): 3}
    assert report["verdict"] == "blocked"
    assert any("taken for blocked" in note for note in report["notes"])
