# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What tests on the local Kubernetes share: a client of its administrator, and the stage of an audit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from azext_seccomp.cluster.connection import connection
from azext_seccomp.cluster.credentials import parse_kubeconfig
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.namespace import ensure_namespace, new_session_id
from azext_seccomp.cluster.pods import remove_session
from azext_seccomp.cluster.target import Target
from tests.e2e.audit.scene import Scene
from tests.stand.arm import ArmStand
from tests.stand.az import InProcessAz
from tests.stand.cluster import Stand


@pytest.fixture
def kube(stand: Stand) -> Iterator[OfficialClient]:
    credentials = parse_kubeconfig(stand.kubeconfig.read_bytes())
    client = OfficialClient(connection(credentials, Target(credentials.server)))
    yield client
    client.close()


@pytest.fixture
def session(kube: OfficialClient) -> Iterator[str]:
    """A session whose pods are removed at the end; the namespace is there."""
    ensure_namespace(kube)
    session = new_session_id()
    yield session
    remove_session(kube, session, grace_seconds=0)


@pytest.fixture
def scene(kube: OfficialClient, cluster_arm: ArmStand, stand: Stand, tmp_path: Path) -> Iterator[Scene]:
    cluster_arm.reset()
    made = Scene(kube, stand, InProcessAz(cluster_arm), tmp_path)
    yield made
    made.forget()
