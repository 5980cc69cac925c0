# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Every form that a profile can come in."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.codec import encode
from azext_seccomp.profile.model import Action, Profile, Rule
from azext_seccomp.profile.source import Options, inspect, is_runtime_default, load, runtime_default

PLAIN = b'{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}'
PROFILE = Profile(Action.ERRNO, rules=(Rule(("read",), Action.ALLOW),))
SPEC: dict[str, Any] = json.loads(PLAIN)
RESOURCE = {"apiVersion": "security-profiles-operator.x-k8s.io/v1beta1", "kind": "SeccompProfile", "spec": SPEC}
YAML = b"""\
apiVersion: security-profiles-operator.x-k8s.io/v1beta1
kind: SeccompProfile
spec:
  defaultAction: SCMP_ACT_ERRNO
  syscalls:
  - names: [read]
    action: SCMP_ACT_ALLOW
"""
DOCKER = json.dumps({**SPEC, "archMap": [], "syscalls": [{**SPEC["syscalls"][0], "includes": {"caps": ["CAP_CHOWN"]}}]})


@pytest.mark.parametrize("data", [PLAIN, json.dumps(RESOURCE).encode(), YAML])
def test_the_same_profile_in_three_forms(data: bytes) -> None:
    source = load(data, "p", Options())
    assert source.profile == PROFILE
    assert (source.name, source.sha256) == ("p", hashlib.sha256(data).hexdigest())


def test_dockers_format_needs_its_option_and_depends_on_capabilities() -> None:
    with pytest.raises(InvalidInput) as refusal:
        load(DOCKER.encode(), "p.json", Options())
    assert "--docker-format" in refusal.value.fix
    assert load(DOCKER.encode(), "p.json", Options(docker_format=True)).profile == PROFILE
    dropped = load(DOCKER.encode(), "p.json", Options(docker_format=True, cap_drop=("chown",)))
    assert dropped.profile.rules == ()


def test_the_lines_are_those_of_the_file() -> None:
    inspected = inspect(YAML, "p.yaml", Options())
    assert inspected.lines["/syscalls/0/names/0"] == 6


@pytest.mark.parametrize("word", ["RuntimeDefault", "runtimedefault", "RUNTIMEDEFAULT"])
def test_the_word_is_taken_in_any_case(word: str) -> None:
    assert is_runtime_default(word)


def test_a_file_is_not_taken_for_the_word() -> None:
    assert not is_runtime_default("./RuntimeDefault")


def test_runtime_default_depends_on_version_architecture_and_capabilities() -> None:
    source = runtime_default(Options("arm64", "v1.7.33", cap_add=("SYS_TIME",)))
    assert any("clock_settime" in rule.names for rule in source.profile.rules)
    assert "SCMP_ARCH_AARCH64" in source.profile.architectures
    assert source.name == "RuntimeDefault of containerd v1.7.33 on arm64"
    assert source.sha256 == hashlib.sha256(encode(source.profile)).hexdigest()


def test_runtime_default_without_a_version_says_how_to_find_it() -> None:
    with pytest.raises(InvalidInput) as refusal:
        runtime_default(Options())
    assert "--containerd-version" in refusal.value.fix


def test_a_newer_version_than_known_is_noted() -> None:
    assert runtime_default(Options(containerd_version="9.9.9")).notes


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_file_is_a_profile_or_refused_in_one_line(data: bytes) -> None:
    for options in (Options(), Options(docker_format=True)):
        try:
            load(data, "p", options)
        except InvalidInput as refusal:
            assert "\n" not in str(refusal)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ("names", "name", "includes", "caps", "archMap", "syscalls", "spec", "kind", "apiVersion")
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_profile_or_refused(document: Any) -> None:
    for options in (Options(), Options(docker_format=True)):
        try:
            load(json.dumps(document).encode(), "p", options)
        except InvalidInput as refusal:
            assert "\n" not in str(refusal)
