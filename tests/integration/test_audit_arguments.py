# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What ``audit`` and ``cleanup`` refuse before they talk to any cluster."""

import json
from pathlib import Path

import pytest

from tests.stand.az import AzResult, InProcessAz

PROFILE = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_LOG"}]}
WEB = ("--workload", "deployment/web")
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
    ("more", "words"),
    [
        ((*WEB, "--manifest", "-"), "--workload cannot be used together with --manifest"),
        ((*WEB, "--selector", "app=web"), "--selector cannot be used together with the name of a workload"),
        ((*WEB, "--namespace", ""), "--namespace is empty."),
        ((*WEB, "--session", ""), "--session is empty."),
        ((*WEB, "--pod-name", "web-0"), "--workload cannot be used together with --pod-name"),
        ((*WEB, "--keep"), "--keep cannot be used together with --workload"),
        ((*WEB, "-A"), "--all-namespaces cannot be used together with the name of a workload"),
        (("--workload", "deployment", "-w", "sts/db", "-A"), "--all-namespaces cannot be used together with the name"),
        (("--include-system",), "--include-system needs --workload"),
        (("--workload", "deploymnt/web"), "Did you mean deployment?"),
        (("--workload", "service/web"), "'service' is not a kind of workload that can be audited."),
        (("--workload", "web"), "Kinds are: deployment, "),
        (("--workload", "deployments.batch/web"), "is not a kind of workload"),
        (("--workload", "deployment/"), "'' cannot be the name of a Deployment."),
        (("--workload", "deployment/Web"), "'Web' cannot be the name of a Deployment."),
        (("--workload", "deploy/web", "sts/a/b"), "'a/b' cannot be the name of a StatefulSet."),
        (("--workload", "all/web"), "'all/web' does not say of which kind."),
        ((*WEB, "--session", "My audit"), "'My audit' cannot be the name of a session."),
        ((*WEB, "--session=-a"), "'-a' cannot be the name of a session."),
        ((*WEB, "--session", "a-"), "'a-' cannot be the name of a session."),
        ((*WEB, "--session", "../x"), "'../x' cannot be the name of a session."),
        ((*WEB, "--session", "s" * 41), "cannot be the name of a session."),
        ((*WEB, "--rollout-timeout", "5"), "'5' is not a duration between 1s and 24h."),
        ((*WEB, "--rollout-timeout", "0s"), "'0s' is not a duration"),
        ((*WEB, "--rollout-timeout", "25h"), "'25h' is not a duration"),
        ((*WEB, "--mode", "enforce"), "'enforce' is not a valid value for '--mode'"),
    ],
)
def test_workloads_that_cannot_be_meant(az: InProcessAz, tmp_path: Path, more: tuple[str, ...], words: str) -> None:
    result = audit(az, tmp_path, *more, stdin=POD.encode())
    assert (result.code in (1, 2), result.out) == (True, "")
    assert words in result.err
    assert "Cluster stopped is stopped." not in result.err


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ("report.txt", "does not say which format it is to have"),
        ("report", "Let it end in .json, .sarif (SARIF 2.1.0, for code scanning), .xml (JUnit) or .html."),
        ("nowhere/report.json", "cannot be written. No such file or directory."),
        ("there.json", "cannot be written. Is a directory."),
    ],
)
def test_reports_that_could_not_be_written_in_the_end(az: InProcessAz, tmp_path: Path, report: str, words: str) -> None:
    """Found out before anything begins, not after an hour of watching."""
    (tmp_path / "there.json").mkdir()
    result = audit(az, tmp_path, *WEB, "--report", str(tmp_path / report))
    assert (result.code, result.out) == (1, "")
    assert words in result.err
    assert "Cluster stopped is stopped." not in result.err


def test_a_directory_that_is_not_ours_takes_no_report(az: InProcessAz, tmp_path: Path) -> None:
    """One of the kernel's, in which not even root can make a file."""
    result = audit(az, tmp_path, *WEB, "--report", "/proc/self/report.json")
    assert (result.code, result.out) == (1, "")
    assert "report.json cannot be written" in result.err


@pytest.mark.parametrize(
    "more",
    [
        (*WEB, "--profile", "RuntimeDefault"),
        (*WEB, "--profile", "RuntimeDefault", "--containerd-version", "2.0.7"),
        (*WEB, "--docker-format"),
        ("--workload", "all", "-A", "--include-system", "-l", "app=web"),
        ("-w", "deploy/web", "sts", "-w", "cronjobs.v1beta1.batch/nightly", "--namespace", "shop"),
        (*WEB, "--mode", "canary", "--rollout-timeout", "90s", "--session", "release-1", "-y"),
    ],
)
def test_workloads_that_can_be_meant_get_as_far_as_the_cluster(
    az: InProcessAz, tmp_path: Path, more: tuple[str, ...]
) -> None:
    result = audit(az, tmp_path, *more)
    assert (result.code, "Cluster stopped is stopped." in result.err) == (1, True), result.err


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


def test_an_empty_session_is_not_every_session(az: InProcessAz) -> None:
    result = az("aks", "seccomp", "cleanup", "-g", "rg1", "-n", "plain", "--session", "", "--force")
    assert (result.code, result.out) == (1, "")
    assert "--session is empty." in result.err
