# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Stands beside the one that most tests use, with names, ports and addresses of their own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stand.cluster import Layout, Stand

OTHER = "aks-other"
OTHER_LAYOUT = {
    "name": OTHER,
    "bridge_prefix": "aksot",
    "secure_port": 27443,
    "etcd_port": 23379,
    "kubelet_port": 21350,
    "fake_kubelet_port": 21300,
    "service_range": "10.246.0.0/16",
    "service_address": "10.246.0.1",
    "pod_range": "10.247.0.0/16",
}
# The start of a program that has the same stand as the fixture.
OTHER_STAND = (
    "import pathlib\n"
    "from tests.stand.cluster import Layout, Stand\n"
    f"stand = Stand(Layout(state=pathlib.Path('/var/tmp/{OTHER}'), **{OTHER_LAYOUT}))\n"
)


@pytest.fixture
def other() -> Iterator[Stand]:
    """A stand that is down and is taken down afterwards."""
    stand = Stand(Layout(state=Path("/var/tmp") / OTHER, **OTHER_LAYOUT))  # type: ignore[arg-type]
    yield stand
    stand.down()
    shutil.rmtree(stand.layout.state)
