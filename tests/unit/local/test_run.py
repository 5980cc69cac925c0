# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What az does before and after a command runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from azext_seccomp.errors import InvalidInput, ServerFault, Unsupported
from azext_seccomp.local import kernel, run
from azext_seccomp.local.requirements import require_architecture, require_linux
from azext_seccomp.local.run import is_privileged, split_command


def test_a_command_is_split_as_a_shell_does() -> None:
    assert split_command("sh -c 'echo \"a b\"; id'") == [shutil.which("sh"), "-c", 'echo "a b"; id']


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is empty"), ("  ", "is empty"), ("sh -c 'x", "cannot be split"), ("no-such-program", "was not found")],
)
def test_what_is_no_command(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        split_command(text)


def test_programs_that_gain_rights(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.touch()
    assert not is_privileged(str(path))
    path.chmod(0o4755)
    assert is_privileged(str(path))
    path.chmod(0o2755)
    assert is_privileged(str(path))


@pytest.mark.parametrize("platform", ["darwin", "win32", "cygwin"])
def test_other_systems_are_told_what_works(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(Unsupported) as caught:
        require_linux()
    assert "needs Linux" in caught.value.what
    assert "Cloud Shell" in caught.value.fix


def test_other_systems_are_told_so_before_anything_of_linux_is_imported() -> None:
    """fcntl and libc are not there on Windows; az has to get as far as the message."""
    code = (
        "import sys; sys.path.append('.')\n"
        "from azext_seccomp import custom_try\n"
        "from azext_seccomp.errors import Unsupported\n"
        "sys.platform = 'win32'; sys.modules['fcntl'] = None\n"
        "try:\n    custom_try.try_command(None, 'RuntimeDefault', 'true')\n"
        "except Unsupported as error:\n    print(error.what)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "needs Linux" in done.stdout


def test_a_missing_libseccomp_is_told_of() -> None:
    code = (
        "import ctypes.util, os, sys; sys.path.append('.'); ctypes.util.find_library = lambda name: None\n"
        "from azext_seccomp.local import protocol, supervisor\n"
        "import msgspec\n"
        "request = protocol.Request('{\"defaultAction\": \"SCMP_ACT_ALLOW\"}', [b'/bin/true'], [], False, None)\n"
        "report = supervisor._report(os.getppid(), msgspec.json.encode(request), supervisor.Signals())\n"
        "print(report.problem.what, report.problem.fix)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "libseccomp is not installed" in done.stdout
    assert "apt-get install libseccomp2" in done.stdout


@pytest.mark.parametrize("release", ["5.4.0-1103-azure", "4.4.0", "odd"])
def test_kernels_without_what_it_takes(monkeypatch: pytest.MonkeyPatch, release: str) -> None:
    monkeypatch.setattr(kernel.platform, "release", lambda: release)
    with pytest.raises(Unsupported, match="no seccomp user notification") as caught:
        require_linux()
    assert "Linux 5.5" in caught.value.why


def test_machines_of_other_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    other = "arm64" if os.uname().machine == "x86_64" else "amd64"
    with pytest.raises(Unsupported, match="cannot be tried on this machine"):
        require_architecture(other)
    monkeypatch.setattr(kernel.platform, "machine", lambda: "riscv64")
    with pytest.raises(Unsupported, match="architecture is not supported"):
        require_architecture(None)


def test_a_supervisor_that_says_nothing_was_killed() -> None:
    with pytest.raises(ServerFault, match="ended from outside"):
        run._checked(b"")


def test_an_error_of_the_supervisor_arrives_as_what_it_was() -> None:
    text = b'{"problem": {"kind": "Unsupported", "what": "It cannot be.", "why": "Because.", "fix": "Do."}}'
    with pytest.raises(Unsupported) as caught:
        run._checked(text)
    assert (caught.value.what, caught.value.why, caught.value.fix) == ("It cannot be.", "Because.", "Do.")
