# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The profile commands that need no cluster, through az: nobody is signed in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azext_seccomp.profile.codec import decode
from tests.stand.az import AzResult, InProcessAz

RUNTIME_DEFAULT = ("--profile", "RuntimeDefault", "--containerd-version")
DENY = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mount"], "action": "SCMP_ACT_ERRNO"}]}
ALLOW = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [{"names": ["close", "mseal", "read"], "action": "SCMP_ACT_ALLOW"}],
}
OUTPUTS = ("json", "jsonc", "yaml", "yamlc", "table", "tsv", "none")

Profile = Callable[[str, Any], str]


@pytest.fixture
def az(az: InProcessAz) -> Callable[..., AzResult]:
    """az with nobody signed in."""
    az.sign_in(None)

    def run(command: str, *args: str, stdin: bytes = b"") -> AzResult:
        return az("aks", "seccomp", "profile", command, *args, stdin=stdin)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Profile:
    def write_file(name: str, content: Any) -> str:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write_file


def report(*syscalls: str) -> dict[str, Any]:
    return {"findings": [{"syscall": name, "class": "blocked", "count": 2} for name in syscalls]}


def test_render_prints_what_containerd_reads(az: Callable[..., AzResult]) -> None:
    result = az("render", "--containerd-version", "1.7.33", "--cap-add", "SYS_TIME")
    (said,) = result.err.splitlines()
    assert result.code == 0 and "in preview" in said
    profile = decode(result.out.encode(), "output")
    assert any("io_uring_setup" in rule.names for rule in profile.rules)
    assert any("clock_settime" in rule.names for rule in profile.rules)


def test_render_says_on_standard_error_what_it_assumed(az: Callable[..., AzResult]) -> None:
    result = az("render", "--containerd-version", "9.9.9")
    assert result.code == 0 and "9.9.9 is not known" in result.err
    decode(result.out.encode(), "output")


def test_render_reads_dockers_format(az: Callable[..., AzResult], write: Profile) -> None:
    rule = {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}}
    path = write("docker.json", {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]})
    rendered = az("render", "--profile", path, "--docker-format", "--kernel-version", "4.7").json
    assert rendered == {"defaultAction": "SCMP_ACT_ERRNO"}


@pytest.mark.parametrize(
    ("document", "fail_on", "code"),
    [
        (DENY, "warning", 0),
        (DENY, "error", 0),
        (ALLOW, "error", 0),
        (ALLOW, "warning", 10),
        ({}, "error", 10),
        ({}, None, 0),
    ],
)
@pytest.mark.parametrize("output", ["json", "table", "none"])
def test_validate_ends_with_10_only_when_asked(
    az: Callable[..., AzResult], write: Profile, document: Any, fail_on: str | None, code: int, output: str
) -> None:
    more = ("--fail-on", fail_on) if fail_on else ()
    assert az("validate", "--profile", write("p.json", document), "-o", output, *more).code == code


def test_validate_lists_every_problem_with_its_line(az: Callable[..., AzResult], write: Profile) -> None:
    text = '{"defaultAction": "SCMP_ACT_NOPE",\n "flags": ["X"],\n "syscalls": [{"names": [5]}]}'
    result = az("validate", "--profile", write("p.json", text)).json
    assert (result["valid"], result["warnings"]) == (False, 0)
    assert {row["line"] for row in result["findings"]} == {1, 2, 3}


def test_show_tells_what_to_know_of_a_blocked_syscall(az: Callable[..., AzResult]) -> None:
    result = az("show", *RUNTIME_DEFAULT, "2.2.4", "--syscall", "io_uring_setup", "read").json
    assert result["counts"] == {"allow": 1, "errno EPERM": 1}
    blocked, allowed = result["syscalls"]
    assert (blocked["syscall"], blocked["effect"]) == ("io_uring_setup", "errno EPERM")
    assert "containerd 1.7" in blocked["advice"] and allowed["advice"] == ""


def test_show_of_a_misspelt_syscall_ends_with_3(az: Callable[..., AzResult]) -> None:
    result = az("show", *RUNTIME_DEFAULT, "2.2.4", "--syscall", "mkdirr")
    assert result.code == 3 and "Did you mean mkdir?" in result.err


def test_convert_there_and_back(az: Callable[..., AzResult], write: Profile) -> None:
    audit = az("convert", "--profile", write("p.json", DENY), "--to", "audit")
    assert audit.json["syscalls"] == [{"names": ["mkdir", "mount"], "action": "SCMP_ACT_LOG"}]
    back = az("convert", "--profile", "-", "--to", "enforce", "--action", "KILL_PROCESS", stdin=audit.out.encode())
    assert back.json["syscalls"] == [{"names": ["mkdir", "mount"], "action": "SCMP_ACT_KILL_PROCESS"}]
    canary = az("convert", "--profile", write("p.json", DENY), "--to", "canary")
    assert "SECCOMP_FILTER_FLAG_LOG" in canary.json["flags"] and "runc 1.2" in canary.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--to", "audit", "--errno", "5"), "--action and --errno cannot be used together with --to audit."),
        (("--to", "canary", "--action", "ERRNO"), "--action and --errno cannot be used together with --to canary."),
        (
            ("--to", "enforce", "--action", "TRAP", "--errno", "5"),
            "--errno cannot be used together with --action TRAP.",
        ),
    ],
)
def test_convert_refuses_what_would_do_nothing(
    az: Callable[..., AzResult], write: Profile, args: tuple[str, ...], message: str
) -> None:
    result = az("convert", "--profile", write("p.json", DENY), *args)
    assert (result.code, result.out) == (1, "") and message in result.err


@pytest.mark.parametrize("errno", ["-5", "4096"])
def test_convert_takes_numbers_that_the_kernel_can_answer(
    az: Callable[..., AzResult], write: Profile, errno: str
) -> None:
    result = az("convert", "--profile", write("p.json", DENY), "--to", "enforce", f"--errno={errno}")
    assert result.code == 1 and f"{errno} is not the number of an error" in result.err


def test_diff_of_two_containerd_versions_names_what_changed_and_nothing_else(az: Callable[..., AzResult]) -> None:
    result = az("diff", *RUNTIME_DEFAULT, "1.7.33", "--with", "RuntimeDefault", "--with-containerd-version", "2.2.4")
    by_kind: dict[str, set[str]] = {}
    for row in result.json:
        by_kind.setdefault(row["change"], set()).add(row["syscall"])
    assert by_kind == {
        "newlyDenied": {"io_uring_enter", "io_uring_register", "io_uring_setup"},
        "newlyAllowed": {
            *(
                "getxattrat",
                "setxattrat",
                "listxattrat",
                "removexattrat",
                "listmount",
                "statmount",
                "mseal",
                "uretprobe",
            ),
            *("lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules"),
        },
    }


def test_diff_of_a_fix_names_the_condition(az: Callable[..., AzResult]) -> None:
    result = az("diff", *RUNTIME_DEFAULT, "1.7.31", "--with", "RuntimeDefault", "--with-containerd-version", "1.7.33")
    (row,) = result.json
    assert (row["syscall"], row["change"], row["deniedWhen"]) == ("socket", "conditionChanged", "arg0 == 38 (AF_ALG)")


def test_diff_with_other_capabilities(az: Callable[..., AzResult]) -> None:
    rows = az("diff", *RUNTIME_DEFAULT, "2.2.4", "--with", "RuntimeDefault", "--with-cap-add", "cap_sys_boot").json
    assert [(row["syscall"], row["change"]) for row in rows] == [("reboot", "newlyAllowed")]


def test_merge_of_two_files_given_in_either_way(az: Callable[..., AzResult], write: Profile) -> None:
    other = {**ALLOW, "syscalls": [{"names": ["close", "write"], "action": "SCMP_ACT_ALLOW"}]}
    first, second = write("a.json", ALLOW), write("b.json", other)
    together = az("merge", "--profile", first, second).json
    assert together["syscalls"][0]["names"] == ["close", "mseal", "read", "write"]
    assert az("merge", "--profile", first, "--profile", second).json == together
    both = az("merge", "--profile", first, "--profile", second, "--intersect").json
    assert both["syscalls"][0] == {"names": ["close"], "action": "SCMP_ACT_ALLOW"}


def test_merge_of_one_profile_is_refused(az: Callable[..., AzResult], write: Profile) -> None:
    result = az("merge", "--profile", write("a.json", ALLOW))
    assert result.code == 1 and "two profiles or more" in result.err


def test_refine_prints_the_profile_and_says_what_it_left(az: Callable[..., AzResult], write: Profile) -> None:
    profile, seen = write("p.json", ALLOW), write("r.json", report("mkdir", "mount"))
    result = az("refine", "--profile", profile, "--report", seen)
    assert result.json["syscalls"] == [{"names": ["close", "mkdir", "mseal", "read"], "action": "SCMP_ACT_ALLOW"}]
    assert "mount: NOT let through" in result.err
    named = az("refine", "--profile", profile, "--report", seen, "--only", "mount")
    assert named.json["syscalls"][0]["names"] == ["close", "mount", "mseal", "read"]


def test_a_dry_run_shows_the_change(az: Callable[..., AzResult], write: Profile) -> None:
    profile, seen = write("p.json", ALLOW), write("r.json", report("mkdir", "mount"))
    result = az("refine", "--profile", profile, "--report", seen, "--except", "mount", "--dry-run").json
    assert [(row["syscall"], row["treatment"]) for row in result["steps"]] == [
        ("mkdir", "allowed"),
        ("mount", "skipped"),
    ]
    assert [(row["syscall"], row["change"]) for row in result["changes"]] == [("mkdir", "newlyAllowed")]


def test_a_report_of_another_profile_is_noted(az: Callable[..., AzResult], write: Profile) -> None:
    seen = {**report("mkdir"), "profile": {"name": "x", "sha256": "0" * 64, "source": "x"}}
    result = az("refine", "--profile", write("p.json", ALLOW), "--report", write("r.json", seen))
    assert result.code == 0 and "another profile" in result.err


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output_format_works(az: Callable[..., AzResult], write: Profile, output: str) -> None:
    path, seen = write("p.json", DENY), write("r.json", report("mkdir"))
    for command, *args in (
        ("render",),
        ("validate",),
        ("show",),
        ("convert", "--to", "audit"),
        ("diff", "--with", write("a.json", ALLOW)),
        ("merge", "--profile", path),
        ("refine", "--report", seen),
        ("refine", "--report", seen, "--dry-run"),
    ):
        result = az(command, "--profile", path, *args, "-o", output, "--only-show-errors")
        assert (result.code, result.err) == (0, ""), (command, result)
        assert bool(result.out.strip()) == (output != "none") or (command, output) == ("validate", "table")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("{", "ends where"),
        ("\ufeff{}", "byte order mark"),
        ('{"defaultAction": 1}', "/defaultAction"),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "defaultAction": "SCMP_ACT_ALLOW"}', "twice"),
        ("[" * 5000, "deeper than"),
        ('{"defaultAction": "SCMP_ACT_ALLOW\x1b[31m"}', "control character"),
        ("x" * 1024 * 1024 * 2, "larger than"),
    ],
)
def test_bad_files_get_one_clear_line(az: Callable[..., AzResult], write: Profile, content: str, said: str) -> None:
    result = az("show", "--profile", write("p.json", content), "--only-show-errors")
    assert result.code == 1 and result.out == ""
    message = result.err.splitlines()[0]
    assert said in message and "p.json" in message and "\x1b[31m" not in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("command", "args", "said"),
    [
        ("show", ("--profile", "missing.json"), "cannot be read"),
        ("show", ("--profile", "RuntimeDefault"), "--containerd-version"),
        ("render", ("--containerd-version", "1.5.9"), "not known"),
        ("render", ("--containerd-version", "new"), "not a version"),
        ("render", ("--containerd-version", "2.2.4", "--cap-add", "sysadmin"), "Did you mean"),
        ("diff", ("--profile", "-", "--with", "-"), "only once"),
        ("render", ("--profile", "-", "--docker-format", "--kernel-version", "new"), "kernel"),
    ],
)
def test_bad_arguments_are_refused_with_advice(
    az: Callable[..., AzResult], command: str, args: tuple[str, ...], said: str
) -> None:
    result = az(command, *args, stdin=json.dumps(DENY).encode())
    assert result.code == 1 and said in result.err and "Traceback" not in result.err


@pytest.mark.parametrize(("command", "args"), [("convert", ("--profile", "x", "--to", "nothing")), ("show", ())])
def test_wrong_use_ends_with_2(az: Callable[..., AzResult], command: str, args: tuple[str, ...]) -> None:
    assert az(command, *args).code == 2
