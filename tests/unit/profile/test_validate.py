# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What is found in profiles, each kind in the smallest profile that has it, and nothing in those that are sound."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from azext_seccomp.errors import InvalidInput, Unsupported
from azext_seccomp.profile.finding import Finding, Target, parse_runc
from azext_seccomp.profile.model import Action, Profile
from azext_seccomp.profile.runtime_default import render
from azext_seccomp.profile.source import Options, inspect
from azext_seccomp.profile.validate import MAX_UNKNOWN, from_problems, validate
from tests.unit.profile.strategies import profiles


def found(document: Any, arch: str = "amd64", runc: tuple[int, int] | None = (1, 3)) -> list[Finding]:
    """Findings in a profile written the way people do, one value a line."""
    inspected = inspect(json.dumps(document, indent=1).encode(), "p.json", Options(arch=arch))
    if inspected.profile is None or inspected.problems:
        return from_problems(inspected.problems)
    return validate(inspected.profile, Target(arch, runc), lambda pointer: inspected.lines.get(pointer, 0))


def deny(*names: str, action: str = "SCMP_ACT_ERRNO", **more: Any) -> dict[str, Any]:
    return {"names": list(names), "action": action, **more}


def deny_list(*rules: dict[str, Any], **top: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(rules), **top}


def allow_list(*without: str, add: tuple[str, ...] = (), version: str = "2.2.4") -> dict[str, Any]:
    """RuntimeDefault's unconditional list as one rule."""
    names = set(render(version, "amd64").profile.rules[0].names) - set(without)
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            deny(*sorted({*names, "clone", "socket", "arch_prctl", *add}), action="SCMP_ACT_ALLOW"),
            deny("clone3", errnoRet=38),
        ],
    }


@pytest.mark.parametrize("version", ["1.6.39", "1.7.33", "2.0.9", "2.2.4", "2.3.1"])
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_nothing_is_found_in_runtime_default(version: str, arch: str) -> None:
    findings = validate(render(version, arch).profile, Target(arch, (1, 3)))
    assert [finding for finding in findings if finding.code != "newer-variant"] == []


def test_nothing_is_found_in_the_sound_lists_of_these_tests() -> None:
    assert found(allow_list()) == []
    assert found(deny_list(deny("mkdir"))) == []


@pytest.mark.parametrize(
    ("document", "severity", "code", "pointer", "said"),
    [
        ({}, "error", "unreadable", "", "switched off"),
        (deny_list(deny("mkdir", includes={})), "error", "unreadable", "/syscalls/0/includes", "Docker"),
        (deny_list(deny("mkdir", name="x")), "error", "unreadable", "/syscalls/0/name", "Docker"),
        (
            deny_list(deny("mkdir", action="SCMP_ACT_NOPE")),
            "error",
            "unreadable",
            "/syscalls/0/action",
            "SCMP_ACT_NOPE",
        ),
        (deny_list(architectures=["SCMP_ARCH_NOPE"]), "error", "unreadable", "/architectures/0", "SCMP_ARCH_NOPE"),
        (
            deny_list(deny("mkdir", action="SCMP_ACT_NOTIFY")),
            "error",
            "notify",
            "/syscalls/0/action",
            "would not start",
        ),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "error", "notify", "/defaultAction", "refuses"),
        (deny_list(deny("mkdir", action="SCMP_ACT_TRACE")), "warning", "trace", "/syscalls/0/action", "tracer"),
        (deny_list(deny("mkdirr")), "warning", "unknown-syscall", "/syscalls/0/names/0", '"mkdirr"'),
        (deny_list(deny("mkdir", errnoRet=0)), "warning", "errno-zero", "/syscalls/0/errnoRet", "success"),
        (deny_list(deny("mkdir"), deny("mkdir")), "warning", "no-effect", "/syscalls/0", "mkdir"),
        (
            deny_list(deny("mkdir", action="SCMP_ACT_ALLOW"), deny("rmdir")),
            "warning",
            "no-effect",
            "/syscalls/0",
            "skips",
        ),
        (deny_list(), "warning", "does-nothing", "", "denies and logs nothing"),
        (
            deny_list(deny("mkdir"), architectures=["SCMP_ARCH_AARCH64"]),
            "warning",
            "architecture",
            "/architectures",
            "X86_64",
        ),
        (deny_list(deny("futex", action="SCMP_ACT_LOG")), "warning", "frequent-log", "", "futex"),
        ({"defaultAction": "SCMP_ACT_LOG"}, "warning", "frequent-log", "", "read, write"),
        (allow_list("execve"), "warning", "cannot-start", "", "execve"),
        (allow_list("setuid", "setgid"), "warning", "cannot-start", "", "setgid, setuid"),
        (allow_list("exit_group", "brk"), "warning", "cannot-start", "", "exit_group"),
        (allow_list("openat2"), "warning", "newer-variant", "", "openat2"),
        (
            {**allow_list(), "syscalls": allow_list()["syscalls"][:1]},
            "warning",
            "newer-variant",
            "",
            "newer variant clone3",
        ),
        (allow_list("faccessat2"), "warning", "newer-variant", "", "faccessat2"),
        (allow_list("futex_waitv"), "warning", "newer-variant", "", "futex_waitv"),
    ],
)
def test_each_kind_is_found_with_its_place(document: Any, severity: str, code: str, pointer: str, said: str) -> None:
    findings = [finding for finding in found(document) if finding.code == code]
    assert findings, found(document)
    assert any((one.severity, one.pointer) == (severity, pointer) and said in one.message for one in findings)
    assert all(one.fix for one in findings)


def condition(**changed: Any) -> dict[str, Any]:
    return {"index": 0, "value": 1, "op": "SCMP_CMP_EQ", **changed}


@pytest.mark.parametrize(
    ("document", "pointer", "said"),
    [
        (deny_list(deny("mkdir", args=[condition(op="SCMP_CMP_IN")])), "/syscalls/0/args/0/op", "no operator"),
        (deny_list(deny("mkdir", args=[condition(index=6)])), "/syscalls/0/args/0/index", "no argument 6"),
        (deny_list(deny("mkdir"), flags=["SECCOMP_FILTER_FLAG_NOPE"]), "/flags/0", "no filter flag"),
        (deny_list(deny("mkdir"), archMap=[]), "/archMap", "Docker"),
        (deny_list(deny("mkdir", excludes={})), "/syscalls/0/excludes", "Docker"),
        (deny_list(deny("x" * 2**20)), "", "larger than"),
    ],
)
def test_what_cannot_be_read_is_an_error(document: Any, pointer: str, said: str) -> None:
    (finding,) = found(document)
    assert (finding.severity, finding.code, finding.pointer) == ("error", "unreadable", pointer)
    assert said in finding.message and finding.fix


@pytest.mark.timeout(60)
def test_a_file_of_names_that_nobody_knows_takes_no_longer_than_its_reading() -> None:
    findings = found(deny_list(deny(*(f"name{number}" for number in range(20_000)))))
    unknown = [finding for finding in findings if finding.code == "unknown-syscall"]
    assert len(unknown) == MAX_UNKNOWN + 1
    assert any(f"{20_000 - MAX_UNKNOWN} more names" in finding.message for finding in unknown)


@pytest.mark.timeout(60)
def test_rules_beyond_measure_are_not_compared_and_that_is_said() -> None:
    findings = found(deny_list(*[deny("mkdir")] * 5_000))
    assert [finding.code for finding in findings] == ["no-effect-unknown"]


@pytest.mark.timeout(60)
def test_many_values_of_one_argument_are_worked_out() -> None:
    rules = [deny("socket", args=[condition(value=number)]) for number in range(300)]
    assert [finding.code for finding in found(deny_list(*rules))] == ["no-effect-unknown"]
    assert found(deny_list(*rules[:20])) == []


def test_each_of_two_rules_for_the_same_call_is_without_effect_alone() -> None:
    document = deny_list(deny("mkdir"), deny("rmdir", "mkdir"), deny("rmdir", action="SCMP_ACT_KILL"))
    said = [(finding.pointer, finding.message) for finding in found(document) if finding.code == "no-effect"]
    assert [pointer for pointer, _ in said] == ["/syscalls/0", "/syscalls/1", "/syscalls/2"]
    assert all("mkdir" in message for _, message in said[:2]) and "rmdir" not in said[1][1]


def test_a_rule_that_keeps_the_others_from_being_refused_has_an_effect() -> None:
    some = [condition(op="SCMP_CMP_NE")]
    kill = deny("mkdir", action="SCMP_ACT_KILL", args=some)
    findings = found(deny_list(deny("mkdir"), deny("mkdir", args=some), kill))
    assert [(finding.code, finding.pointer) for finding in findings] == [
        ("no-effect", "/syscalls/1"),
        ("no-effect", "/syscalls/2"),
    ]


def test_a_slip_of_the_pen_gets_the_nearest_name_and_its_line() -> None:
    (finding,) = found(deny_list(deny("mkdir", "renamat")))
    assert (finding.fix, finding.line) == ("Did you mean renameat?", 7)


@pytest.mark.parametrize(("runc", "severities"), [((1, 1), ["error"]), (None, ["warning"]), ((1, 2), [])])
def test_flags_depend_on_runc(runc: tuple[int, int] | None, severities: list[str]) -> None:
    document = deny_list(deny("mkdir"), flags=["SECCOMP_FILTER_FLAG_LOG"])
    assert [finding.severity for finding in found(document, runc=runc)] == severities


def test_rules_that_libseccomp_refuses_together_are_an_error() -> None:
    args = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]
    document = deny_list(deny("mkdir", args=args), deny("mkdir", action="SCMP_ACT_KILL_PROCESS", args=args))
    assert [(finding.severity, finding.code) for finding in found(document)] == [("error", "contradiction")]


def test_a_list_written_for_amd64_is_told_on_arm64_alone() -> None:
    document = allow_list("openat", "newfstatat", add=("open", "stat"))
    assert "amd64-only" not in {finding.code for finding in found(document)}
    (finding,) = [finding for finding in found(document, arch="arm64") if finding.code == "amd64-only"]
    assert "openat for open" in finding.message and "newfstatat" in finding.fix


def test_enosys_for_a_newer_variant_is_fine() -> None:
    document = allow_list("openat2")
    document["syscalls"].append(deny("openat2", errnoRet=38))
    assert found(document) == []


def test_errors_come_first_then_the_order_of_the_file() -> None:
    document = deny_list(deny("mkdirr"), deny("rmdirr"), deny("rmdir", action="SCMP_ACT_NOTIFY"))
    assert [finding.code for finding in found(document)] == ["notify", "unknown-syscall", "unknown-syscall"]
    lines = [finding.line for finding in found(document)[1:]]
    assert lines == sorted(lines)


@settings(deadline=None, max_examples=50)
@given(profiles())
def test_any_profile_can_be_validated(profile: Profile) -> None:
    try:
        findings = validate(profile, Target())
    except Unsupported:
        return
    assert all(finding.message and finding.fix for finding in findings)


@pytest.mark.parametrize(("text", "version"), [("1.1.15", (1, 1)), ("v1.3.3-1", (1, 3)), ("1.2", (1, 2))])
def test_a_version_of_runc_is_cut_to_two_numbers(text: str, version: tuple[int, int]) -> None:
    assert parse_runc(text) == version


@pytest.mark.parametrize("text", ["", "one", "1", "1.x", "99999.1"])
def test_what_is_no_version_of_runc_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_runc(text)


def test_the_default_action_is_looked_at_too() -> None:
    assert validate(Profile(Action.ALLOW), Target())[0].code == "does-nothing"
