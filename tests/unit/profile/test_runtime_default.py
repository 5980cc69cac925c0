# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest

from azext_seccomp.errors import InvalidInput, Unsupported
from azext_seccomp.profile import capabilities
from azext_seccomp.profile.codec import decode, encode
from azext_seccomp.profile.evaluate import Decision, Filter, outcomes
from azext_seccomp.profile.model import Action, Profile
from azext_seccomp.profile.runtime_default import known_versions, render
from azext_seccomp.profile.syscalls import numbers

ALLOW, EPERM, ENOSYS = Decision(Action.ALLOW), Decision(Action.ERRNO, 1), Decision(Action.ERRNO, 38)
NAMESPACES = {
    "CLONE_NEWNS": 0x00020000,
    "CLONE_NEWCGROUP": 0x02000000,
    "CLONE_NEWUTS": 0x04000000,
    "CLONE_NEWIPC": 0x08000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}
#: CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | SETTLS | PARENT_SETTID | CHILD_CLEARTID: a thread of glibc.
THREAD = 0x3D0F00


def profile(version: str, *add: str, arch: str = "amd64", kernel: str | None = None) -> Profile:
    return render(version, arch, capabilities.bounding(add), kernel).profile


def differences(first: Profile, second: Profile) -> set[str]:
    names = numbers("amd64")
    return {name for name in names if outcomes(first, name, "amd64") != outcomes(second, name, "amd64")}


@pytest.mark.parametrize(
    ("version", "table"),
    [
        ("1.6.0", "1.6.0"),
        ("1.6.20~ds1", "1.6.16"),
        ("1.6.26", "1.6.22"),
        ("v1.7.33", "1.7.32"),
        ("1.7.31", "1.7.13"),
        ("2.0.8", "2.0.0"),
        ("2.0.9", "2.0.9"),
        ("2.1.7", "2.0.0"),
        ("2.2.3", "2.2.0"),
        ("2.2.4", "2.2.4"),
        ("2.3.0", "2.2.0"),
        ("2.3.2", "2.2.4"),
        ("1.7.33+azure-ubuntu22.04u1", "1.7.32"),
    ],
)
def test_every_patch_level_has_its_table(version: str, table: str) -> None:
    rendered = render(version, "amd64")
    assert rendered.table == table
    assert rendered.notes == ()


@pytest.mark.parametrize(
    ("version", "of"), [("1.7.99", "1.7.34"), ("2.4.0", "2.3.4"), ("3.0.1", "2.3.4"), ("1.7", "1.7.34")]
)
def test_what_is_not_known_uses_the_newest_and_says_so(version: str, of: str) -> None:
    rendered = render(version, "amd64")
    assert rendered.profile == render(of, "amd64").profile
    assert len(rendered.notes) == 1
    assert version in rendered.notes[0] and of in rendered.notes[0]


def test_what_cannot_be_known_is_refused() -> None:
    with pytest.raises(Unsupported):
        render("1.5.18", "amd64")
    for version in ("", "containerd", "1", "-1.7.2", "1.77777.1"):
        with pytest.raises(InvalidInput):
            render(version, "amd64")
    with pytest.raises(InvalidInput):
        render("1.7.24", "i386")


@pytest.mark.parametrize("version", ["1.6.28", "1.7.24", "2.2.4"])
@pytest.mark.parametrize("flag", sorted(NAMESPACES))
def test_clone_may_make_threads_and_no_namespaces(version: str, flag: str) -> None:
    built = Filter(profile(version), "amd64")
    assert built.evaluate("clone", (THREAD, 0, 0, 0, 0, 0)) == ALLOW
    assert built.evaluate("clone", (NAMESPACES[flag] | THREAD, 0, 0, 0, 0, 0)) == EPERM
    assert built.evaluate("clone3") == ENOSYS
    admin = Filter(profile(version, "SYS_ADMIN"), "amd64")
    assert admin.evaluate("clone", (NAMESPACES[flag], 0, 0, 0, 0, 0)) == ALLOW
    assert admin.evaluate("clone3") == ALLOW


@pytest.mark.parametrize(
    ("version", "refused"),
    [
        ("1.6.39", ()),
        ("1.7.31", (40,)),
        ("1.7.32", (38, 40)),
        ("2.0.8", (40,)),
        ("2.0.9", (38, 40)),
        ("2.2.4", (38, 40)),
    ],
)
def test_socket_families(version: str, refused: tuple[int, ...]) -> None:
    built = Filter(profile(version), "amd64")
    found = [family for family in range(64) if built.evaluate("socket", (family, 1, 0, 0, 0, 0)).denies]
    assert found == list(refused)
    # 32-bit programs reach socket(2) through socketcall too, which no version restricts.
    assert built.evaluate("socketcall", (1, 0, 0, 0, 0, 0), "i386") == ALLOW


def test_personality() -> None:
    built = Filter(profile("2.2.4"), "amd64")
    allowed = [value for value in (0, 1, 8, 0x20000, 0x20008, 0x40000, 0xFFFFFFFF) if not denied(built, value)]
    assert allowed == [0, 8, 0x20000, 0x20008, 0xFFFFFFFF]


def denied(built: Filter, persona: int) -> bool:
    return built.evaluate("personality", (persona, 0, 0, 0, 0, 0)).denies


def test_from_ubuntu_22_to_24() -> None:
    assert differences(profile("1.7.33"), profile("2.2.4")) == {
        *("io_uring_enter", "io_uring_register", "io_uring_setup"),
        *("getxattrat", "setxattrat", "listxattrat", "removexattrat", "listmount", "statmount", "mseal", "uretprobe"),
        *("lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules"),
    }


@pytest.mark.parametrize(
    ("capability", "names"),
    [
        ("SYS_TIME", {"settimeofday", "clock_settime"}),
        ("SYS_PTRACE", {"kcmp", "pidfd_getfd", "process_madvise"}),
        ("SYSLOG", {"syslog"}),
        ("BPF", {"bpf"}),
        ("PERFMON", {"perf_event_open"}),
        ("SYS_NICE", {"get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"}),
        ("NET_ADMIN", set()),
    ],
)
def test_what_a_capability_adds(capability: str, names: set[str]) -> None:
    assert differences(profile("2.2.4"), profile("2.2.4", capability)) == names


def test_old_kernels_get_no_ptrace() -> None:
    assert differences(profile("2.2.4", kernel="4.7.9"), profile("2.2.4", kernel="4.8.0")) == {
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
    }
    assert profile("2.2.4", kernel="5.15.0-1064-azure") == profile("2.2.4")


def test_arm64() -> None:
    rendered = profile("2.2.4", arch="arm64")
    assert set(rendered.architectures) == {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}
    built = Filter(rendered, "arm64")
    assert built.evaluate("openat") == ALLOW
    assert built.evaluate("set_tls", arch="arm") == ALLOW
    assert built.evaluate("mount") == EPERM


def test_every_table_is_a_profile_that_runc_takes() -> None:
    for version in known_versions():
        for arch in ("amd64", "arm64"):
            for caps in (capabilities.DEFAULT, capabilities.ALL, frozenset[str]()):
                rendered = render(version, arch, caps).profile
                assert decode(encode(rendered), version) == rendered
                assert Filter(rendered, arch).evaluate("execve") == ALLOW
