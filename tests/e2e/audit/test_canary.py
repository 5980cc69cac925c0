# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""``audit --mode canary``: the profile denies, and every denial is found. The second node's runc takes the flag that it
needs, the first one's does not.
"""

import json
import secrets

import pytest

from tests.e2e.audit.scene import Scene, counted, found, pod, wait_for

pytestmark = pytest.mark.cluster

DENIES = json.dumps(
    {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [
            {"names": ["mkdir", "unshare"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
            {"names": ["gettid"], "action": "SCMP_ACT_LOG"},
        ],
    }
)
# The later calls are made only where the first ones have failed.
SCRIPT = (
    "syscaller mkdir*3 | grep -qx 'mkdir = -1 Operation not permitted' && "
    "syscaller clone3*2 | grep -qx 'clone3 = -1 Function not implemented' && syscaller unshare gettid*4 sleep=1"
)


def test_denied_calls_fail_in_the_pod_and_are_found_as_the_kernel_recorded_them(scene: Scene) -> None:
    scene.profile = scene.write("profile.json", DENIES)
    user = 100_000 + secrets.randbits(29)
    caller = pod("caller", node=scene.nodes[1], user=user, command=["sh", "-c", SCRIPT])
    with scene.stand.audit_records() as stream:
        done = scene.audit("--mode", "canary", "--nodepool-name", "nodepool2", manifest=scene.manifest(caller))
        kernel = counted(stream.records(user=user))
    assert done.code == 0, done.err
    report = done.json
    assert report["mode"] == "canary"
    calls = {"mkdir": 3, "unshare": 1, "clone3": 2, "gettid": 4}
    assert kernel == {("syscaller", name): count for name, count in calls.items()}
    assert found(report, "caller") == kernel
    classes = {one["syscall"]: (one["class"], one["action"]) for one in report["findings"] if one["pod"] == "caller"}
    assert classes == {
        "mkdir": ("blocked", "SCMP_ACT_ERRNO"),
        "unshare": ("blocked", "SCMP_ACT_ERRNO"),
        "clone3": ("fallback", "SCMP_ACT_ERRNO"),
        "gettid": ("logged", "SCMP_ACT_LOG"),
    }
    assert report["verdict"] == "blocked"
    wait_for(lambda: not scene.left())


def test_a_node_that_cannot_run_it_refuses_with_the_reason_and_nothing_is_left(scene: Scene) -> None:
    scene.profile = scene.write("profile.json", DENIES)
    caller = pod("caller", "mkdir", node=scene.nodes[1])
    done = scene.audit("--mode", "canary", manifest=scene.manifest(caller))
    assert done.code == 1
    assert done.out == ""
    assert f"{scene.nodes[0]}: its runc is too old, a canary needs 1.2 or later" in done.err
    assert "seccomp flags are not yet supported by runc" in done.err
    assert "--nodepool-name" in done.err
    assert scene.nodes[1] not in done.err
    wait_for(lambda: len(scene.sessions) == 1)
    wait_for(lambda: not scene.left())
