# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""SeccompProfile objects of the security-profiles-operator, well-formed and hostile."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.codec import inspect_value, to_json
from azext_seccomp.profile.custom_resource import is_custom_resource, looks_like_yaml, profile_in, read_yaml
from azext_seccomp.profile.json_text import read

MANIFEST = b"""\
# as the operator's examples have it
apiVersion: security-profiles-operator.x-k8s.io/v1beta1
kind: SeccompProfile
metadata:
  name: web
  creationTimestamp: 2026-01-02T03:04:05Z
spec:
  defaultAction: SCMP_ACT_ERRNO
  architectures: [SCMP_ARCH_X86_64]
  disabled: false
  syscalls:
    - action: SCMP_ACT_ALLOW
      names: [read, write]
      errnoRet: 0
    - action: SCMP_ACT_ERRNO
      names: [clone3]
      errnoRet: 38
"""


def test_the_spec_is_the_profile_without_the_operators_own_fields() -> None:
    assert looks_like_yaml(MANIFEST)
    document = read_yaml(MANIFEST, "web.yaml")
    profile, problems = inspect_value(document, "/spec", profile_in(document, "web.yaml"))
    assert profile and not problems
    assert to_json(profile) == {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [
            {"action": "SCMP_ACT_ALLOW", "names": ["read", "write"]},
            {"action": "SCMP_ACT_ERRNO", "names": ["clone3"], "errnoRet": 38},
        ],
    }


def test_problems_carry_the_line_of_the_manifest() -> None:
    data = MANIFEST.replace(b"errnoRet: 38", b"errnoRet: -38").replace(b"[read, write]", b"[read, 5]")
    document = read_yaml(data, "web.yaml")
    _, problems = inspect_value(document, "/spec", profile_in(document, "web.yaml"))
    assert [(problem.pointer, problem.line) for problem in problems] == [
        ("/spec/syscalls/0/names/1", 13),
        ("/spec/syscalls/1/errnoRet", 17),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("131072", 131072),
        ("0x20000", 131072),
        ("0", 0),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_numbers_are_read_as_kubernetes_reads_them(text: str, value: int) -> None:
    args = f"      args: [{{index: 0, value: {text}, op: SCMP_CMP_EQ}}]\n"
    document = read_yaml(MANIFEST + args.encode(), "web.yaml")
    profile, problems = inspect_value(document, "/spec", profile_in(document, "web.yaml"))
    assert profile and not problems
    assert profile.rules[1].args[0].value == value


@pytest.mark.parametrize(
    "data", [b'{"kind": "SeccompProfile"}', b'{"a":"\nkind: SeccompProfile"}', b"defaultAction: x", b"", b"\x00"]
)
def test_json_and_other_text_is_not_taken_for_a_manifest(data: bytes) -> None:
    assert not looks_like_yaml(data)


def test_a_profile_is_not_taken_for_an_object() -> None:
    assert not is_custom_resource(read(b'{"defaultAction": "SCMP_ACT_ALLOW"}'))
    assert not is_custom_resource(read(b"[]"))
    assert is_custom_resource(read(b'{"apiVersion": "v1", "kind": "Pod"}'))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "Pod"}, "not a SeccompProfile"),
        ({"apiVersion": "v1"}, "not a SeccompProfile"),
        ({"apiVersion": 5}, "not a SeccompProfile"),
        ({"spec": None}, "/spec is missing"),
        ({"spec": {"baseProfileName": "runc-v1\x1b[31m"}}, "extends another profile"),
    ],
)
def test_what_is_not_a_whole_profile_is_refused(change: dict[str, Any], said: str) -> None:
    resource = {"apiVersion": "security-profiles-operator.x-k8s.io/v1", "kind": "SeccompProfile", "spec": {}, **change}
    with pytest.raises(InvalidInput, match=said):
        profile_in(read(json.dumps(resource).encode()), "web.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: &x [1]\nb: *x\n", "anchors, aliases and tags"),
        (b"a: !!python/object/apply:os.system [id]\n", "anchors, aliases and tags"),
        (b"a: [1\n", "not valid YAML"),
        (b"a: 1\n---\nb: 2\n", "exactly one object"),
        (b"[a]: 1\n", "a key that is not plain text"),
        (b"", "exactly one object"),
        (b"a: \xff\n", "not UTF-8"),
        (b"a: \x07\n", "not valid YAML"),
        (b"a: " + b"[" * 5000, "nesting is deeper"),
        (b"a: " + b"x" * 70_000, "larger than 64 KiB"),
    ],
)
def test_what_yaml_can_hide_is_refused_in_one_line(text: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        read_yaml(text, "web.yaml")
    assert "\n" not in str(refused.value)


def test_a_key_given_twice_is_a_problem_with_its_line() -> None:
    document = read_yaml(b"kind: SeccompProfile\nspec:\n  flags: []\n  flags: []\n", "web.yaml")
    assert [(problem.pointer, problem.line) for problem in document.problems] == [("/spec/flags", 4)]


def test_the_largest_accepted_file_is_read_in_reasonable_time() -> None:
    rule = b"    - {action: SCMP_ACT_ALLOW, names: [read, write]}\n"
    text = MANIFEST.split(b"    - action")[0] + rule * (60_000 // len(rule))
    started = time.monotonic()
    read_yaml(text, "web.yaml")
    assert time.monotonic() - started < 10


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_document_or_refused(data: bytes) -> None:
    try:
        read_yaml(b"kind: SeccompProfile\n" + data, "x")
    except InvalidInput as refused:
        assert "\n" not in str(refused)
