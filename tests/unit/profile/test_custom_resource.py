# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""SeccompProfile objects of the security-profiles-operator, well-formed and hostile."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.custom_resource import is_custom_resource, looks_like_yaml, parse_yaml, to_document

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
    assert to_document(parse_yaml(MANIFEST, "web.yaml"), "web.yaml") == {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [
            {"action": "SCMP_ACT_ALLOW", "names": ["read", "write"]},
            {"action": "SCMP_ACT_ERRNO", "names": ["clone3"], "errnoRet": 38},
        ],
    }


@pytest.mark.parametrize(
    "data", [b'{"kind": "SeccompProfile"}', b'{"a":"\nkind: SeccompProfile"}', b"defaultAction: x", b"", b"\x00"]
)
def test_json_and_other_text_is_not_taken_for_a_manifest(data: bytes) -> None:
    assert not looks_like_yaml(data)


def test_a_profile_is_not_taken_for_an_object() -> None:
    assert not is_custom_resource({"defaultAction": "SCMP_ACT_ALLOW"})
    assert is_custom_resource({"apiVersion": "v1", "kind": "Pod"})


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
    with pytest.raises(InvalidInput, match=said):
        to_document({**parse_yaml(MANIFEST, "web.yaml"), **change}, "web.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"kind: SeccompProfile\nkind: Pod\n", "given twice"),
        (b"a: &x [1]\nb: *x\n", "anchors, aliases and tags"),
        (b"a: !!python/object/apply:os.system [id]\n", "anchors, aliases and tags"),
        (b"a: [1\n", "not valid YAML"),
        (b"a: 1\n---\nb: 2\n", "exactly one object"),
        (b"- a\n", "exactly one object"),
        (b"", "exactly one object"),
        (b"a: \xff\n", "not UTF-8"),
        (b"a: \x07\n", "not valid YAML"),
        (b"a: 2026-99-99\n", "not valid YAML"),
        (b"a: " + b"[" * 5000, "levels deep"),
        (b"a: " + b"x" * 70_000, "larger than 64 KiB"),
    ],
)
def test_what_yaml_can_hide_is_refused_in_one_line(text: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        parse_yaml(text, "web.yaml")
    assert "\n" not in str(refused.value)


def test_the_largest_accepted_file_is_read_in_reasonable_time() -> None:
    rule = b"    - {action: SCMP_ACT_ALLOW, names: [read, write]}\n"
    text = MANIFEST.split(b"    - action")[0] + rule * (60_000 // len(rule))
    started = time.monotonic()
    parse_yaml(text, "web.yaml")
    assert time.monotonic() - started < 10


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_document_or_refused(data: bytes) -> None:
    try:
        parse_yaml(b"kind: SeccompProfile\n" + data, "x")
    except InvalidInput as refused:
        assert "\n" not in str(refused)
