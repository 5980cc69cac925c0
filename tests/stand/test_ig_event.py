# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The stand-in's JSON against the documented event of ``ig`` 0.52 to 0.55, key by key."""

import json
from typing import Any

import pytest

from tests.stand.ig.containers import Container
from tests.stand.ig.event import CODES, Names, Parent, event, timestamp, to_line
from tests.stand.ig.records import Record

# One line of `ig run audit_seccomp -o json`, put together from the sources that tests/stand/ig/__init__.py names.
DOCUMENTED = (
    '{"code":"SECCOMP_RET_LOG","code_raw":2147221504,'
    '"k8s":{"containerName":"test-container","hostnetwork":false,"namespace":"default","node":"",'
    '"owner":{"kind":"","name":""},"podLabels":"","podName":"default-pod"},'
    '"proc":{"comm":"unshare","creds":{"gid":0,"group":"root","uid":0,"user":"root"},"mntns_id":4026534388,'
    '"parent":{"comm":"sh","pid":37591,"tid":37591},"pid":39733,"tid":39733},'
    '"runtime":{"containerId":"' + "ab" * 32 + '","containerImageDigest":"",'
    '"containerImageName":"docker.io/library/busybox:1.36","containerName":"test-container",'
    '"containerPid":37591,"containerStartedAt":1755777600000000000,"runtimeName":"containerd"},'
    '"syscall":"SYS_UNSHARE","syscall_raw":272,'
    '"timestamp":"2025-08-21T10:00:00.123000000Z","timestamp_raw":1755770400123000000,'
    '"ustack":{"addresses":"","base_addr_hash":0,"boot_timestamp":0,"buildid":"","inode":0,"major":0,"minor":0,'
    '"mtime_nsec":0,"mtime_sec":0,"otel_correlation_id":"","pid_level0":0,"pid_level1":0,'
    '"pidns_level0":0,"pidns_level1":0,"stack_id":0,"symbols":"","tgid_level0":0}}'
)
RECORD = Record(
    serial=7, time_ns=1755770400123000000, pid=39733, uid=0, gid=0, comm="unshare", syscall=272, code=0x7FFC0000
)
CONTAINER = Container(
    id="ab" * 32,
    name="test-container",
    pod="default-pod",
    namespace="default",
    image="docker.io/library/busybox:1.36",
    sandbox=False,
    host_network=False,
    pid=37591,
    started_ns=1755777600000000000,
    mount_namespace=4026534388,
)
NAMES = Names({272: "unshare", 83: "mkdir"}, users={0: "root"}, groups={0: "root"})


def shape(value: Any) -> Any:
    """Keys and types of a JSON value."""
    return {key: shape(part) for key, part in value.items()} if isinstance(value, dict) else type(value).__name__


def test_an_event_is_the_documented_line() -> None:
    line = to_line(event(RECORD, CONTAINER, Parent(37591, "sh"), NAMES))
    assert shape(json.loads(line)) == shape(json.loads(DOCUMENTED))
    assert line == DOCUMENTED


def test_an_event_of_the_host_has_the_same_keys() -> None:
    of_host = json.loads(to_line(event(RECORD, None, Parent(1, "init"), NAMES)))
    assert shape(of_host) == shape(json.loads(DOCUMENTED))
    assert of_host["runtime"]["containerId"] == ""


@pytest.mark.parametrize("code", [0, 0x30000, 0x50000, 0x7FC00000, 0x7FF00000, 0x7FFC0000, 0x80000000])
def test_codes_are_named_by_exact_match(code: int) -> None:
    shown = event(RECORD._replace(code=code), CONTAINER, Parent(0, ""), NAMES)
    assert shown["code"] == CODES[code]
    assert shown["code_raw"] == code
    assert event(RECORD._replace(code=code + 1), CONTAINER, Parent(0, ""), NAMES)["code"] == "UNKNOWN"


def test_what_has_no_name_is_shown_by_number() -> None:
    shown: Any = event(RECORD._replace(syscall=9999, uid=1000, gid=1001), CONTAINER, Parent(0, ""), NAMES)
    assert shown["syscall"] == "SYS_UNKNOWN"
    assert shown["syscall_raw"] == 9999
    assert shown["proc"]["creds"] == {"gid": 1001, "group": "gid:1001", "uid": 1000, "user": "uid:1000"}


def test_timestamps_have_nine_digits() -> None:
    assert timestamp(1_000_000) == "1970-01-01T00:00:00.001000000Z"
