# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The bounding set of a container: the first cases are as /proc/self/status has it under containerd 1.6 and 1.7."""

from typing import Any

import pytest

from azext_seccomp.profile.capabilities import ALL, DEFAULT
from azext_seccomp.workload.capabilities import capabilities_of


def container(**capabilities: Any) -> dict[str, Any]:
    return {"name": "app", "securityContext": {"capabilities": capabilities}}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, DEFAULT),
        ({"add": ["sys_admin"]}, DEFAULT | {"CAP_SYS_ADMIN"}),
        ({"add": ["CAP_SYS_ADMIN"]}, DEFAULT),
        ({"add": ["NOSUCH"], "drop": ["CAP_CHOWN"]}, DEFAULT),
        ({"add": ["SYS_ADMIN"], "drop": ["all"]}, {"CAP_SYS_ADMIN"}),
        ({"drop": ["NET_RAW", "CHOWN"]}, DEFAULT - {"CAP_NET_RAW", "CAP_CHOWN"}),
        ({"add": ["ALL"], "drop": ["SYS_ADMIN"]}, ALL - {"CAP_SYS_ADMIN"}),
    ],
)
def test_what_is_asked_for_and_what_comes_of_it(asked: dict[str, Any], expected: frozenset[str]) -> None:
    assert capabilities_of(container(**asked)) == expected


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"securityContext": None},
        {"securityContext": []},
        {"securityContext": {"capabilities": "ALL"}},
        container(add="ALL", drop={"ALL": 1}),
        container(add=[None, 5, {"ALL": 1}]),
    ],
)
def test_nonsense_is_for_the_api_server_to_refuse(strange: dict[str, Any]) -> None:
    assert capabilities_of(strange) == DEFAULT


def test_a_privileged_container_has_them_all() -> None:
    assert capabilities_of({"securityContext": {"privileged": True, "capabilities": {"drop": ["ALL"]}}}) == ALL
