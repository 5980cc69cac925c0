# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""az for the tests of its commands: in this process, or installed from the wheel as a user has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stand.arm import ArmStand
from tests.stand.arm.identities import ADMIN
from tests.stand.az import InProcessAz, InstalledAz


@pytest.fixture
def az(arm: ArmStand) -> Iterator[InProcessAz]:
    """az in this process, signed in as administrator; no API server is reachable."""
    arm.reset()
    yield InProcessAz(arm)


@pytest.fixture
def cluster_az(cluster_arm: ArmStand) -> Iterator[InProcessAz]:
    """az in this process, signed in as administrator; the clusters are the local Kubernetes."""
    cluster_arm.reset()
    yield InProcessAz(cluster_arm)


@pytest.fixture(scope="session")
def extensions(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AZURE_EXTENSION_DIR with the extension, put there by ``az extension add --source``."""
    directory = tmp_path_factory.mktemp("extensions")
    installer = InstalledAz(directory, tmp_path_factory.mktemp("config"))
    added = installer.run("extension", "add", "--source", str(wheel), "--yes", seconds=300)
    assert added.code == 0, added.err
    return directory


@pytest.fixture
def installed_az(extensions: Path, arm: ArmStand, tmp_path: Path) -> InstalledAz:
    """The real program with the installed extension, signed in as administrator; no API server is reachable."""
    arm.reset()
    program = InstalledAz(extensions, tmp_path / "config")
    program.use(arm, ADMIN)
    return program
