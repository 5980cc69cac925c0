# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The capabilities that a container of a pod template is going to have."""

from collections.abc import Iterator, Mapping
from typing import Any

from azext_seccomp.profile.capabilities import ALL, bounding


def capabilities_of(container: Mapping[str, Any]) -> frozenset[str]:
    """The bounding set of a container, as its ``securityContext`` makes it.

    containerd looks at this set, and not at what the process has in effect, when it makes RuntimeDefault
    (``contrib/seccomp/seccomp_default.go``).
    """
    context = _mapping(container.get("securityContext"))
    if context.get("privileged") is True:
        return ALL
    asked = _mapping(context.get("capabilities"))
    return bounding(_effective(asked.get("add")), _effective(asked.get("drop")))


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _effective(names: object) -> Iterator[str]:
    """The names that do something. containerd puts ``CAP_`` before each of them, so ``CAP_SYS_ADMIN`` names nothing in
    a pod, and runc passes over names that it does not know.
    """
    for name in names if isinstance(names, list) else ():
        upper = str(name).upper()
        if upper == "ALL" or f"CAP_{upper}" in ALL:
            yield upper
