# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What is not placed on a node: a profile that its runtime would refuse, or read otherwise than it was meant."""

from collections.abc import Iterable

from azext_seccomp.errors import InvalidInput, Unsupported
from azext_seccomp.node.inventory import Node
from azext_seccomp.profile.finding import Target
from azext_seccomp.profile.model import Profile
from azext_seccomp.profile.validate import validate


def require_sound(profile: Profile, source: str, nodes: Iterable[Node]) -> None:
    """Check a profile that could be read against the architectures of the nodes.

    :param source: how the profile is called in messages.
    :raises InvalidInput: with the first error; what only surprises is not an error.
    """
    for arch in sorted({node.arch for node in nodes}):
        try:
            findings = validate(profile, Target(arch))
        except Unsupported:
            continue  # conditions that cannot be worked out here are libseccomp's to judge
        for one in findings:
            if one.severity == "error":
                place = f"{source}, {one.pointer}" if one.pointer else source
                raise InvalidInput(f"{place} cannot be used on {arch} nodes.", why=one.message, fix=one.fix)
