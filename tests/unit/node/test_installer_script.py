# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The installer's script, run by the shells that images have."""

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from azext_seccomp.node.answer import Answer, read_answer, read_log
from azext_seccomp.node.manifest import script as script_of_the_installer
from tests.unit.node.installer_pods import run_script

SHELLS = [["busybox", "sh"], ["dash"], ["bash", "--posix"]]
OLD, NEW = b'{"defaultAction": "SCMP_ACT_ALLOW"}', b'{"defaultAction": "SCMP_ACT_LOG"}'


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """A shell; busybox's finds busybox's tools only, as in its image."""
    command: list[str] = request.param
    program = shutil.which(command[0])
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    if command[0] != "busybox":
        return command
    tools = tmp_path / "tools"
    tools.mkdir()
    subprocess.run([program, "--install", "-s", str(tools)], check=True)
    return [str(tools / "env"), "-i", f"PATH={tools}", "sh"]


@pytest.fixture
def script(shell: Sequence[str], tmp_path: Path) -> Callable[..., Answer]:
    """Runs the script and reads its answer, as the kubelet would hand it over."""

    def run(*arguments: str, contents: Sequence[bytes] = ()) -> Answer:
        ran = run_script(shell, tmp_path, *arguments, contents=contents)
        assert ran.returncode == 0, ran.stderr
        message = (tmp_path / "answer").read_text("ascii")
        assert len(message) <= 4096
        answer = read_answer(message)
        return answer if answer is not None else read_log(message, (b"T " + line for line in ran.stdout.splitlines()))

    return run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "seccomp"
    path.mkdir()
    return path


def put(script: Callable[..., Answer], path: str, content: bytes, force: str = "keep") -> tuple[str, str, str]:
    (result,) = script("place", force, "0", path, sha256(content), contents=[content]).results
    return result.status, result.sha256, result.detail


def test_places_a_file_and_its_directories(script: Callable[..., Answer], root: Path) -> None:
    assert put(script, "aks-seccomp/team/web.json", NEW) == ("placed", sha256(NEW), "")
    placed = root / "aks-seccomp/team/web.json"
    assert placed.read_bytes() == NEW
    assert placed.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in placed.parent.iterdir()] == ["web.json"]


def test_a_file_that_is_there_is_not_written_again(script: Callable[..., Answer], root: Path) -> None:
    put(script, "aks-seccomp/a.json", NEW)
    before = (root / "aks-seccomp/a.json").stat()
    assert put(script, "aks-seccomp/a.json", NEW) == ("present", sha256(NEW), "")
    after = (root / "aks-seccomp/a.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_different_file_stays_unless_forced(script: Callable[..., Answer], root: Path) -> None:
    put(script, "aks-seccomp/a.json", OLD)
    assert put(script, "aks-seccomp/a.json", NEW) == ("different", sha256(OLD), "")
    assert (root / "aks-seccomp/a.json").read_bytes() == OLD
    assert put(script, "aks-seccomp/a.json", NEW, "force") == ("placed", sha256(NEW), "")
    assert (root / "aks-seccomp/a.json").read_bytes() == NEW
    assert len(list((root / "aks-seccomp").iterdir())) == 1


@pytest.mark.parametrize("force", ["keep", "force"])
def test_never_writes_through_a_link(script: Callable[..., Answer], root: Path, tmp_path: Path, force: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / "aks-seccomp").mkdir()
    (root / "aks-seccomp/a.json").symlink_to(elsewhere / "target")
    (root / "aks-seccomp/inner").symlink_to(elsewhere)
    assert put(script, "aks-seccomp/a.json", NEW, force)[0] == "refused"
    status, _, detail = put(script, "aks-seccomp/inner/b.json", NEW, force)
    assert (status, detail) == ("refused", "aks-seccomp/inner on the node is a symbolic link")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("force", ["keep", "force"])
def test_what_is_not_a_file_is_not_replaced(script: Callable[..., Answer], root: Path, force: str) -> None:
    (root / "aks-seccomp/a.json").mkdir(parents=True)
    os.mkfifo(root / "aks-seccomp/b.json")
    (root / "aks-seccomp/c").write_bytes(b"a file")
    assert put(script, "aks-seccomp/a.json", NEW, force)[0] == "refused"
    assert put(script, "aks-seccomp/b.json", NEW, force)[0] == "refused"
    assert put(script, "aks-seccomp/c/d.json", NEW, force)[0] == "refused"
    assert list((root / "aks-seccomp/a.json").iterdir()) == []


def test_content_that_arrives_damaged_is_not_placed(script: Callable[..., Answer], root: Path) -> None:
    (result,) = script("place", "keep", "0", "aks-seccomp/a.json", sha256(NEW), contents=[OLD]).results
    assert (result.status, result.detail) == ("failed", "what was written reads back differently")
    assert list((root / "aks-seccomp").iterdir()) == []


def test_one_file_that_fails_does_not_stop_the_next(script: Callable[..., Answer], root: Path) -> None:
    (root / "aks-seccomp").write_bytes(b"in the way")
    arguments = ["0", "aks-seccomp/a.json", sha256(OLD), "1", "other/b.json", sha256(NEW)]
    answer = script("place", "keep", *arguments, contents=[OLD, NEW])
    assert [one.status for one in answer.results] == ["refused", "placed"]


@pytest.fixture
def tiny_disk(root: Path) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k,mode=0755", "tmpfs", str(root)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(root)], check=True)


@pytest.mark.usefixtures("tiny_disk")
def test_a_full_disk_is_a_failure_that_leaves_nothing(script: Callable[..., Answer], root: Path) -> None:
    status, _, detail = put(script, "aks-seccomp/a.json", b" " * 50_000)
    assert status == "failed"
    assert "No space left on device" in detail
    assert list((root / "aks-seccomp").iterdir()) == []


@pytest.mark.usefixtures("tiny_disk")
def test_a_full_disk_keeps_the_old_file(script: Callable[..., Answer], root: Path) -> None:
    put(script, "aks-seccomp/a.json", OLD)
    assert put(script, "aks-seccomp/a.json", b" " * 50_000, "force")[0] == "failed"
    assert (root / "aks-seccomp/a.json").read_bytes() == OLD


def test_a_terminated_installer_leaves_no_half_file(shell: Sequence[str], root: Path, tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    os.mkfifo(tmp_path / "content/0")
    (tmp_path / "installer.sh").write_bytes(script_of_the_installer())
    paths = [str(tmp_path / name) for name in ("installer.sh", "seccomp", "content", "answer")]
    arguments = ["s1", "place", "keep", "0", "aks-seccomp/a.json", sha256(NEW)]
    process = subprocess.Popen([*shell, *paths, *arguments], start_new_session=True)
    try:
        with open(tmp_path / "content/0", "wb") as feed:  # the script's cat has opened its other end
            feed.write(b"half")
            feed.flush()
            os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(20) != 0
    finally:
        process.kill()
        process.wait()
    assert [one.name for one in (root / "aks-seccomp").iterdir()] == []


def test_removes_a_file_and_the_directories_that_it_leaves_empty(script: Callable[..., Answer], root: Path) -> None:
    put(script, "aks-seccomp/team/a.json", NEW)
    put(script, "aks-seccomp/b.json", NEW)
    (result,) = script("remove", "0", "aks-seccomp/team/a.json").results
    assert (result.status, result.sha256) == ("removed", sha256(NEW))
    assert [one.name for one in (root / "aks-seccomp").iterdir()] == ["b.json"]
    assert [one.status for one in script("remove", "0", "aks-seccomp/b.json").results] == ["removed"]
    assert list(root.iterdir()) == []


def test_removing_what_is_not_there_or_not_a_file(script: Callable[..., Answer], root: Path) -> None:
    (root / "aks-seccomp/d.json").mkdir(parents=True)
    answer = script("remove", "0", "aks-seccomp/none.json", "1", "aks-seccomp/d.json", "2", "aks-seccomp/x/y.json")
    assert [one.status for one in answer.results] == ["absent", "refused", "absent"]
    assert (root / "aks-seccomp/d.json").is_dir()


def test_removal_takes_what_a_killed_installer_of_the_session_left(script: Callable[..., Answer], root: Path) -> None:
    (root / "aks-seccomp/audit").mkdir(parents=True)
    (root / "aks-seccomp/audit/.new-s1-0").write_bytes(b"half")
    assert [one.status for one in script("remove", "0", "aks-seccomp/audit/a.json").results] == ["absent"]
    assert list(root.iterdir()) == []
    (root / "aks-seccomp").mkdir()
    (root / "aks-seccomp/.new-s2-0").write_bytes(b"half, of another session")
    assert [one.status for one in script("remove", "0", "aks-seccomp/a.json").results] == ["absent"]
    assert [one.name for one in (root / "aks-seccomp").iterdir()] == [".new-s2-0"]


def test_removes_a_link_but_never_what_it_leads_to(script: Callable[..., Answer], root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.json").write_bytes(OLD)
    (root / "aks-seccomp").mkdir()
    (root / "aks-seccomp/link.json").symlink_to(elsewhere / "a.json")
    (root / "aks-seccomp/dir").symlink_to(elsewhere)
    answer = script("remove", "0", "aks-seccomp/link.json", "1", "aks-seccomp/dir/a.json")
    assert [one.status for one in answer.results] == ["removed", "refused"]
    assert (elsewhere / "a.json").read_bytes() == OLD


def test_removes_our_tree_and_nothing_else(script: Callable[..., Answer], root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_bytes(OLD)
    (root / "others.json").write_bytes(OLD)
    put(script, "aks-seccomp/a/b.json", NEW)
    (root / "aks-seccomp/.new-s0-0").write_bytes(b"left by a killed installer")
    (root / "aks-seccomp/link").symlink_to(elsewhere)
    answer = script("remove-tree", "aks-seccomp")
    assert sorted(one.path for one in answer.entries) == [
        "aks-seccomp/.new-s0-0",
        "aks-seccomp/a/b.json",
        "aks-seccomp/link",
    ]
    assert [one.name for one in root.iterdir()] == ["others.json"]
    assert (elsewhere / "kept").exists()
    assert script("remove-tree", "aks-seccomp") == Answer()


def test_a_tree_that_is_a_link_is_not_removed(script: Callable[..., Answer], root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_bytes(OLD)
    (root / "aks-seccomp").symlink_to(elsewhere)
    assert script("remove-tree", "aks-seccomp").error == "aks-seccomp on the node is a symbolic link"
    assert (elsewhere / "kept").exists()


HOSTILE = [
    b"new\nline",
    b"file - 1 forged",
    b"\x1b[2J",
    b"-rf",
    b"*",
    b"$(touch pwned)",
    b"`touch pwned`",
    b"'\"",
    b"back\\slash",
    b" ",
    b"tab\t",
    b"%s%n",
    b"\xff\xfe not utf-8",
    b"".join(bytes([byte]) for byte in range(0x80, 0xA0)),
    "ünïcödé\u202e".encode(),
    b".hidden",
    b"..twodots",
    b"=6162",
    b"end",
    b"x" * 255,
]


def test_lists_names_that_hold_anything(script: Callable[..., Answer], root: Path) -> None:
    for name in HOSTILE:
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(name)
    answer = script("list")
    assert {os.fsencode(one.path): one.sha256 for one in answer.entries} == {name: sha256(name) for name in HOSTILE}
    assert {os.fsencode(one.path): one.size for one in answer.entries} == {name: len(name) for name in HOSTILE}
    assert answer.total == len(HOSTILE)


def test_lists_what_is_no_file_without_reading_it(script: Callable[..., Answer], root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "away").symlink_to("/etc/passwd")
    (root / "loop").symlink_to(root)
    with open(root / "huge", "wb") as huge:
        huge.truncate(1 << 40)
    found = {one.path: (one.kind, one.sha256, one.size) for one in script("list").entries}
    assert found == {
        "pipe": ("other", "", None),
        "away": ("link", "", None),
        "loop": ("link", "", None),
        "huge": ("file", "", 1 << 40),
    }


def test_a_list_that_does_not_fit_comes_in_the_log_and_is_bounded(script: Callable[..., Answer], root: Path) -> None:
    for number in range(510):
        (root / f"{number:04}.json").touch()
    answer = script("list")
    assert answer.total == 510
    assert len(answer.entries) == 500
    assert answer.entries[7].path == "0007.json"


def test_a_deep_tree_is_cut_not_followed_for_ever(script: Callable[..., Answer], root: Path) -> None:
    deep = root.joinpath(*["d"] * 30)
    deep.mkdir(parents=True)
    (deep / "file").touch()
    assert [(one.kind, one.path.count("/")) for one in script("list").entries] == [("other", 12)]


@pytest.fixture
def powerless(shell: list[str], tmp_path: Path) -> Callable[..., Answer]:
    """Runs the script as root without capabilities, as in the pod."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to take its capabilities away")

    def run(*arguments: str, contents: Sequence[bytes] = ()) -> Answer:
        ran = run_script(["setpriv", "--bounding-set=-all", *shell], tmp_path, *arguments, contents=contents)
        assert ran.returncode == 0, ran.stderr
        answer = read_answer((tmp_path / "answer").read_text("ascii"))
        assert answer is not None
        return answer

    return run


def test_root_without_capabilities_is_enough(powerless: Callable[..., Answer], root: Path) -> None:
    assert put(powerless, "aks-seccomp/a.json", OLD)[0] == "placed"
    assert put(powerless, "aks-seccomp/a.json", NEW, "force")[0] == "placed"
    assert [one.status for one in powerless("remove", "0", "aks-seccomp/a.json").results] == ["removed"]
    assert list(root.iterdir()) == []


def test_what_others_keep_closed_is_listed_as_such(powerless: Callable[..., Answer], root: Path) -> None:
    for name, mode in (("closed", 0o700), ("half-closed", 0o744)):
        (root / name).mkdir()
        (root / name / "inner").touch()
        (root / name).chmod(mode)
        os.chown(root / name, 65535, 65535)
    (root / "secret").write_bytes(OLD)
    (root / "secret").chmod(0o600)
    os.chown(root / "secret", 65535, 65535)
    found = {one.path: (one.kind, one.sha256, one.size) for one in powerless("list").entries}
    assert found == {
        "closed": ("closed", "", None),
        "half-closed": ("closed", "", None),
        "secret": ("file", "", len(OLD)),
    }


def test_an_empty_directory_lists_nothing(script: Callable[..., Answer], root: Path) -> None:
    assert script("list") == Answer()
