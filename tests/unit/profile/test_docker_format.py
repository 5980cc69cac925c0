# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Docker's conditional rules: each filter taken and refused, and what Docker itself refuses."""

import json
from typing import Any

import pytest

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.codec import inspect_value, to_json
from azext_seccomp.profile.docker_format import Kernel, Rendered, parse_kernel, render
from azext_seccomp.profile.json_text import read

ALLOW = "SCMP_ACT_ALLOW"


def render_document(
    document: dict[str, Any],
    arch: str = "amd64",
    capabilities: frozenset[str] = frozenset({"CAP_CHOWN"}),
    kernel: Kernel | None = (5, 15),
) -> Rendered:
    located = read(json.dumps(document).encode())
    return render(located, arch=arch, capabilities=capabilities, kernel=kernel, source="p.json")


def rendered(*rules: dict[str, Any], arch: str = "amd64", **top: Any) -> Any:
    document = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": list(rules), **top}
    profile, problems = inspect_value(read(json.dumps(document).encode()), "", render_document(document, arch).profile)
    assert profile and not problems
    return to_json(profile)


def rule(name: str = "read", **more: Any) -> dict[str, Any]:
    return {"names": [name], "action": ALLOW, **more}


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({}, True),
        ({"includes": {}, "excludes": {}}, True),
        ({"includes": {"arches": ["amd64", "x32"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"excludes": {"arches": ["s390x"]}}, True),
        ({"includes": {"caps": ["CAP_CHOWN"]}}, True),
        ({"includes": {"caps": ["CAP_CHOWN", "CAP_SYS_ADMIN"]}}, False),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}, True),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_CHOWN"]}}, False),
        ({"includes": {"minKernel": "5.15"}}, True),
        ({"includes": {"minKernel": "5.16"}}, False),
        ({"includes": {"minKernel": "6.0"}}, False),
        ({"includes": {"minKernel": "4.20"}}, True),
        ({"excludes": {"minKernel": "4.8"}}, False),
        ({"excludes": {"minKernel": "6.1"}}, True),
        ({"includes": {"minKernel": ""}}, True),
        ({"includes": {"arches": ["amd64"]}, "excludes": {"caps": ["CAP_CHOWN"]}}, False),
    ],
)
def test_a_rule_is_kept_when_every_inclusion_is_met_and_no_exclusion(filters: dict[str, Any], kept: bool) -> None:
    expected = [{"names": ["write"], "action": ALLOW}] + [{"names": ["read"], "action": ALLOW}] * kept
    assert rendered(rule("write"), rule(**filters))["syscalls"] == expected


def test_what_containerd_reads_is_kept_and_what_only_docker_reads_is_gone() -> None:
    args = [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]
    document = rendered(
        rule(args=args, errnoRet=38, comment="why", includes={}), defaultErrnoRet=1, flags=["SECCOMP_FILTER_FLAG_LOG"]
    )
    assert document == {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [{"names": ["read"], "action": ALLOW, "errnoRet": 38, "args": args}],
    }


@pytest.mark.parametrize(
    ("arch", "architectures"),
    [("amd64", ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]), ("arm64", ["SCMP_ARCH_AARCH64"])],
)
def test_arch_map_becomes_the_architectures_of_the_node(arch: str, architectures: list[str]) -> None:
    arch_map = [
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": None},
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
    ]
    document = rendered(arch=arch, archMap=arch_map)
    assert document["architectures"] == architectures
    assert "archMap" not in document


def test_name_is_read_like_names() -> None:
    assert rendered({"name": "read", "action": ALLOW})["syscalls"][0]["names"] == ["read"]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            {"architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_X86_64"}]},
            "both architectures and archMap",
        ),
        ({"syscalls": [{"name": "a", "names": ["b"], "action": ALLOW}]}, "/syscalls/0 has both name and names"),
        ({"syscalls": [rule(includes={"minKernel": "4"})]}, "/syscalls/0/includes/minKernel"),
        ({"syscalls": [rule(excludes={"minKernel": "0.0"})]}, "/syscalls/0/excludes/minKernel"),
        ({"syscalls": [rule(includes={"capabilities": []})]}, "capabilities"),
        ({"syscalls": [None]}, "$.syscalls[0]"),
        ({"syscalls": {"names": []}}, "$.syscalls"),
        ({"archMap": "x"}, "$.archMap"),
    ],
)
def test_what_docker_refuses_is_refused_with_its_place(document: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said.replace("$", r"\$").replace("[", r"\[")):
        render_document(document)


def test_without_a_kernel_every_minimum_counts_as_reached_and_the_notes_say_so() -> None:
    document = {"defaultAction": ALLOW, "syscalls": [rule(includes={"minKernel": "99.0"})]}
    result = render_document(document, kernel=None)
    assert isinstance(result.profile.value, dict) and result.profile.value["syscalls"].value
    assert any("minKernel" in note for note in result.notes)


@pytest.mark.parametrize(
    ("release", "kernel"), [("5.15", (5, 15)), ("5.15.0-1089-azure", (5, 15)), ("6.8-rc1", (6, 8))]
)
def test_a_kernel_release_is_cut_to_two_numbers(release: str, kernel: Kernel) -> None:
    assert parse_kernel(release) == kernel


@pytest.mark.parametrize("release", ["", "5", "v5.15", "five.one", "5.١", "5.15\n"])
def test_what_is_no_kernel_release_is_refused(release: str) -> None:
    with pytest.raises(InvalidInput):
        parse_kernel(release)
