# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
from collections.abc import Iterator

import pytest

from azext_seccomp.cluster.kube import OfficialClient
from tests.e2e.workload.place import Place
from tests.stand.cluster import Stand


@pytest.fixture
def place(kube: OfficialClient, stand: Stand) -> Iterator[Place]:
    made = Place(kube, stand)
    try:
        made.make()
        yield made
    finally:
        made.forget()
