# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The capabilities that a container of a pod template is going to have."""

from collections.abc import Mapping
from typing import Any

from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.capabilities import ALL, bounding


def capabilities_of(container: Mapping[str, Any]) -> frozenset[str]:
    """The bounding set of a container, as its ``securityContext`` asks for it.

    containerd looks at this set, and not at what the process has in effect, when it makes RuntimeDefault
    (``contrib/seccomp/seccomp_default.go``).

    :raises InvalidInput: it names something that is no capability.
    """
    context = _mapping(container.get("securityContext"))
    if context.get("privileged") is True:
        return ALL
    asked = _mapping(context.get("capabilities"))
    try:
        return bounding(_names(asked.get("add")), _names(asked.get("drop")))
    except InvalidInput as error:
        name = printable(str(container.get("name", "")), 80)
        raise InvalidInput(f"Container {name}: {printable(error.what, 200)}", fix=error.fix) from None


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _names(found: object) -> list[str]:
    """A list that is none is for the API server to refuse."""
    return [str(name) for name in found] if isinstance(found, list) else []
