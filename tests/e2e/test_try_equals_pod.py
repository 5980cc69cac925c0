# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The same program under the same profile: ``try`` on this machine finds what ``audit`` finds in a pod."""

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.audit.scene import Scene, pod, profile_text, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.kernel]

IMAGES = Path(__file__).resolve().parents[1] / "stand" / "images"
#: None of these calls changes anything outside of the process: under ``try`` they are carried out on this machine.
WORDS = (
    "mkdir*40",
    "unshare*3",
    "personality*2",
    "thread",
    "clone3",
    "ptrace",
    "getpid*9",
    "fork",
    "mkdir*5",
    "keyctl",
)

#: As RuntimeDefault: unknown calls are refused, clone3 falls back, arguments decide.
DEFAULT_DENY = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "architectures": ["SCMP_ARCH_X86_64"],
    "syscalls": [
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        {"names": ["mkdir", "personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
        {"names": ["keyctl", "unshare"], "action": "SCMP_ACT_KILL_PROCESS"},
        {"names": ["ptrace"], "action": "SCMP_ACT_TRAP"},
    ],
}


@pytest.fixture
def syscaller(tmp_path: Path) -> Path:
    """The program that the image of the stand has."""
    target = tmp_path / "syscaller"
    subprocess.run(["gcc", "-O2", "-static", "-pthread", "-o", target, IMAGES / "syscaller.c"], check=True)
    return target


@pytest.mark.parametrize("text", [profile_text(), json.dumps(DEFAULT_DENY)], ids=["log", "deny"])
@pytest.mark.parametrize("node", [0, 1])
def test_try_finds_what_an_audit_finds(scene: Scene, syscaller: Path, text: str, node: int) -> None:
    scene.profile = scene.write("profile.json", text)
    audited = scene.audit(manifest=scene.manifest(pod("caller", *WORDS, node=scene.nodes[node])))
    assert audited.code == 0, audited.err
    command = " ".join([str(syscaller), *WORDS])
    tried = scene.az("aks", "seccomp", "try", "--profile", scene.profile, "--command", command)
    assert tried.code == 0, tried.err
    assert _findings(tried.json, "blocked") == _findings(audited.json, "blocked")
    assert not _findings(audited.json, "fallback"), "the kernel does not log what it answers with an errno"
    fallbacks = {("syscaller", "clone3", "SCMP_ACT_ERRNO"): 2} if "errnoRet" in text else {}
    assert _findings(tried.json, "fallback") == fallbacks
    assert tried.json["verdict"] == audited.json["verdict"] == "blocked"
    assert tried.json["profile"]["sha256"] == audited.json["profile"]["sha256"]
    wait_for(lambda: not scene.left())


def _findings(report: dict[str, Any], kind: str) -> Counter[tuple[str, str, str]]:
    """Calls of one class, by process, syscall and action. Those of runc are of another."""
    found: Counter[tuple[str, str, str]] = Counter()
    for one in report["findings"]:
        if one["class"] == kind:
            found[one["comm"], one["syscall"], one["action"]] += one["count"]
    return found
