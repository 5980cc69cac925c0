# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Starting a command, in surroundings that make it hard."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pyseccomp
import pytest

from azext_seccomp.errors import InvalidInput, SeccompError
from azext_seccomp.profile.model import Profile
from tests.kernel.attempts import CALL, Alone, counts, denying, profile, try_

pytestmark = pytest.mark.kernel

EVERYTHING_DENIED = profile({"defaultAction": "SCMP_ACT_ERRNO"})
KILLED_FOR_EVERYTHING = profile({"defaultAction": "SCMP_ACT_KILL_PROCESS"})
#: What handing a descriptor over a socket would need, and what any runtime needs to wait for another.
HANDOVER = (
    "sendmsg",
    "recvmsg",
    "sendto",
    "socketpair",
    "write",
    "read",
    "close",
    "futex",
    "mmap",
    "munmap",
    "exit_group",
)


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(InvalidInput, match="not found"):
        try_(denying(), "no-such-program-anywhere")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no magic number", "Exec format error"), (b"#!/no/such/interpreter\n", "No such file or directory")],
)
def test_a_file_that_cannot_be_executed(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "program"
    path.write_bytes(content)
    path.chmod(0o755)
    with pytest.raises(InvalidInput) as caught:
        try_(denying(), str(path))
    assert reason in caught.value.why


def test_a_file_without_the_right_to_execute(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(b"#!/bin/sh\n")
    with pytest.raises(InvalidInput):
        try_(denying(), str(path))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "under", [EVERYTHING_DENIED, KILLED_FOR_EVERYTHING, denying(HANDOVER), denying(HANDOVER, "SCMP_ACT_TRAP")]
)
def test_a_profile_cannot_hinder_the_handover(under: Profile) -> None:
    report = try_(under, "sh -c 'exit 9'")
    assert report["command"]["exitCode"] == 9
    assert report["verdict"] == "blocked"


@pytest.mark.timeout(60)
def test_a_profile_that_refuses_the_first_exec() -> None:
    report = try_(EVERYTHING_DENIED, "true", enforce=True)
    assert report["command"]["exitCode"] == 127
    assert [(one["comm"], one["syscall"], one["class"]) for one in report["findings"]] == [
        ("runc:[2:INIT]", "execve", "startup")
    ]
    assert report["verdict"] == "inconclusive"
    assert "the container may not start" in report["reasons"][0]


@pytest.mark.timeout(60)
def test_a_profile_that_kills_at_the_first_exec() -> None:
    report = try_(KILLED_FOR_EVERYTHING, "true", enforce=True)
    assert report["command"]["signal"] == 31
    assert "The profile ended the command with SIGSYS." in report["notes"]


def test_a_command_that_is_over_before_its_listener_is_looked_for() -> None:
    """Nothing of it needs an answer, so nothing makes it wait for us."""
    code = (
        "import os, sys, time; sys.path.append('.'); "
        "from azext_seccomp.local import handover, program; from tests.kernel.attempts import denying; "
        "has_ended, find = handover._has_ended, handover.kernel.find_listener; "
        "handover._has_ended = lambda pid: has_ended(pid) or time.sleep(1); "
        "handover.kernel.find_listener = lambda: (find(), time.sleep(1))[0]; "
        "code = program.compile_profile(denying()); "
        "started = handover.start([b'/bin/true'], [], code); "
        "print(os.waitstatus_to_exitcode(os.waitpid(started.pid, 0)[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "0\n", done.stderr


def test_environment_and_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 too."""
    target = tmp_path / "said"
    os.environ["TRY_TEST_BYTES"] = "set in Python, and not the user's own"
    try:
        report = try_(denying(), f"sh -c 'printf %s \"$1${{TRY_TEST_BYTES-unset}}\" > {target}' sh \udcff")
    finally:
        del os.environ["TRY_TEST_BYTES"]
    assert report["command"]["exitCode"] == 0
    assert target.read_bytes() == b"\xffunset"


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        ("seccomp", "Operation not permitted"),
        ("prctl", "Operation not permitted"),
        ("clone", "Operation not permitted"),
    ],
)
def test_a_filter_around_it(tmp_path: Path, refused: str, reason: str) -> None:
    def refuse() -> None:
        built = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        condition = {
            "prctl": [pyseccomp.Arg(0, pyseccomp.EQ, 36)],  # PR_SET_CHILD_SUBREAPER
            "clone": [pyseccomp.Arg(0, pyseccomp.EQ, 0x400 | 17)],  # CLONE_FILES and SIGCHLD, without memory shared
        }.get(refused, [])
        built.add_rule(pyseccomp.ERRNO(errno.EPERM), refused, *condition)
        built.load()

    with Alone(tmp_path, denying(), "true", preexec=refuse) as alone:
        out, err = alone.process.communicate(timeout=60)
    assert alone.process.returncode == 3, out + err
    assert reason in out
    assert "Unconfined" in out
    assert "Traceback" not in err


def test_try_inside_try(tmp_path: Path) -> None:
    """The kernel allows one listener in a chain of filters."""
    inner = Alone(tmp_path, denying(), "true").process.args
    assert isinstance(inner, list)
    with Alone(tmp_path, denying(), " ".join(map(str, inner))) as outer:
        report = outer.report()
    assert report["command"]["exitCode"] == 3


NOBODY = (
    "setpriv",
    "--reuid=65534",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
)


def test_an_account_without_rights(tmp_path: Path, caller: Path) -> None:
    """It can read every file, because the interpreter of this test may lie in a home directory; that is all it can."""
    tmp_path.chmod(0o755)
    with Alone(tmp_path, denying(), f"{caller} children 4 5", prefix=NOBODY) as alone:
        report = alone.report()
    assert counts(report) == {("caller", CALL): 20}
    assert report["command"]["exitCode"] == 0


def test_a_set_user_id_program_of_an_account_without_rights(tmp_path: Path) -> None:
    program = "/usr/bin/su"
    with Alone(tmp_path, denying(["geteuid"]), f"{program} --version", prefix=NOBODY) as alone:
        report = alone.report()
    assert any("su is a set-user-ID program" in note for note in report["notes"])


def test_root_needs_no_such_note() -> None:
    assert not any("set-user-ID" in note for note in try_(denying(), "/usr/bin/su --version")["notes"])


def test_errors_are_of_our_own_kind() -> None:
    with pytest.raises(SeccompError, match="cannot be split"):
        try_(denying(), "sh -c 'unbalanced")
