# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Which tests one process runs when several share the work (pytest-xdist).

Tests on the local Kubernetes are given out one by one, since each takes long; others by file, for what they share.
"""

from xdist.scheduler import LoadScopeScheduling

ONE_BY_ONE = "tests/e2e/"
TOGETHER = {
    # grant to the one account, under the one name that the sample has
    "tests/e2e/test_permissions.py": "permissions",
    # have the wheel, which is built and installed in each process that needs it
    "tests/integration/test_install.py": "wheel",
    "tests/integration/test_reach.py": "wheel",
    # bring up the second stand, which has one name and one set of ports
    "tests/stand/test_fake_nodes.py": "second stand",
    "tests/stand/test_lifecycle.py": "second stand",
}


class TogetherScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """What has the same scope is run by the same process."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def scope(nodeid: str) -> str:
    """The scope of one test."""
    file = nodeid.partition("::")[0]
    return TOGETHER.get(file) or (nodeid if file.startswith(ONE_BY_ONE) else file)
