# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What ``audit`` and ``cleanup`` refuse before they talk to any cluster."""

import json
from pathlib import Path

import pytest

from tests.stand.az import AzResult, InProcessAz

PROFILE = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_LOG"}]}
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: app, image: a}]}\n"


def audit(az: InProcessAz, directory: Path, *more: str, stdin: bytes = b"") -> AzResult:
    file = directory / "profile.json"
    file.write_text(json.dumps(PROFILE))
    return az("aks", "seccomp", "audit", "-g", "rg1", "-n", "stopped", "--profile", str(file), *more, stdin=stdin)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--namespace", "a", "--all-namespaces"), "--namespace cannot be used together with --all-namespaces"),
        (("--manifest", "-", "--selector", "a=b"), "--manifest cannot be used together with --selector"),
        (("--manifest", "-", "--pod-name", "a"), "--manifest cannot be used together with --selector"),
        (("--manifest", "-", "-A"), "--manifest cannot be used together with --selector"),
        (("--manifest", "-", "--profile", "-"), "cannot both be read from standard input"),
        (("--duration", "5"), "'5' is not a duration between 1s and 24h."),
        (("--duration", "25h"), "is not a duration"),
        (("--manifest", "nowhere.yaml"), "nowhere.yaml cannot be read"),
        (("--containerd-version", "2.0.7"), "--containerd-version cannot be used together with a file"),
        (("--profile", "RuntimeDefault", "--docker-format"), "--docker-format cannot be used together with"),
        (("--profile", "RuntimeDefault"), "depends on the capabilities of each container"),
        (("--docker-format",), "depends on the capabilities of each container"),
        (("--profile", "runtimedefault", "--containerd-version", "1.5.9"), "containerd 1.5.9 is not known"),
        (("--profile", "runtimedefault", "--containerd-version", "new"), "new is not a version of containerd"),
    ],
)
def test_arguments_that_do_not_go_together(az: InProcessAz, tmp_path: Path, more: tuple[str, ...], words: str) -> None:
    result = audit(az, tmp_path, *more)
    assert (result.code, result.out) == (1, "")
    assert words in result.err


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("kind: [", "standard input, line"),
        ("a: &a [*a]", "nested more than"),
        ("kind: ConfigMap\napiVersion: v1\nmetadata: {name: x}", "holds nothing that runs containers"),
        ("x" * (1024 * 1024 + 1), "Standard input is larger than 1024 KiB"),
    ],
)
def test_manifests_that_cannot_be_used(az: InProcessAz, tmp_path: Path, manifest: str, words: str) -> None:
    result = audit(az, tmp_path, "--manifest", "-", stdin=manifest.encode())
    assert (result.code, "Traceback" in result.err) == (1, False)
    assert words in result.err


def test_a_verdict_that_there_is_not(az: InProcessAz, tmp_path: Path) -> None:
    result = audit(az, tmp_path, "--fail-on", "clean")
    assert result.code == 2
    assert "'clean' is not a valid value for '--fail-on'" in result.err


def test_a_good_command_line_gets_as_far_as_the_cluster(az: InProcessAz, tmp_path: Path) -> None:
    result = audit(az, tmp_path, "-f", "-", "--namespace", "shop", "--fail-on", "blocked", stdin=POD.encode())
    assert (result.code, "Cluster stopped is stopped." in result.err) == (1, True), result.err


@pytest.mark.parametrize("more", [(), ("--containerd-version", "2.0.7")])
def test_runtime_default_of_a_manifest_gets_as_far_as_the_cluster(
    az: InProcessAz, tmp_path: Path, more: tuple[str, ...]
) -> None:
    result = audit(az, tmp_path, "--profile", "RuntimeDefault", "-f", "-", *more, stdin=POD.encode())
    assert (result.code, "Cluster stopped is stopped." in result.err) == (1, True), result.err


def test_a_custom_resource_is_a_profile(az: InProcessAz, tmp_path: Path) -> None:
    resource = {"apiVersion": "security-profiles-operator.x-k8s.io/v1", "kind": "SeccompProfile", "spec": PROFILE}
    file = tmp_path / "resource.json"
    file.write_text(json.dumps({**resource, "metadata": {"name": "web"}}))
    result = audit(az, tmp_path, "--profile", str(file))
    assert (result.code, "Cluster stopped is stopped." in result.err) == (1, True), result.err


def test_cleanup_gets_as_far_as_the_cluster(az: InProcessAz) -> None:
    result = az("aks", "seccomp", "cleanup", "-g", "rg1", "-n", "stopped", "--session", "s1", "--dry-run", "--force")
    assert (result.code, "Cluster stopped is stopped." in result.err) == (1, True), result.err
