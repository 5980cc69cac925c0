# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The stage of one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from azext_seccomp.cluster.connection import connection
from azext_seccomp.cluster.credentials import parse_kubeconfig
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.target import Target
from tests.e2e.audit.scene import Scene
from tests.stand.arm import ArmStand
from tests.stand.az import InProcessAz
from tests.stand.cluster import Stand


@pytest.fixture
def scene(cluster_arm: ArmStand, stand: Stand, tmp_path: Path) -> Iterator[Scene]:
    cluster_arm.reset()
    credentials = parse_kubeconfig(stand.kubeconfig.read_bytes())
    client = OfficialClient(connection(credentials, Target(credentials.server)))
    made = Scene(client, stand, InProcessAz(cluster_arm), tmp_path)
    yield made
    made.forget()
    client.close()
