# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The profile that a user chose to audit. What it says in detail may depend on the node and on the container."""

import hashlib
from functools import cache
from typing import Protocol

from azext_seccomp.audit.report import ProfileIdentity
from azext_seccomp.errors import InvalidInput, Unsupported
from azext_seccomp.node.inventory import Node
from azext_seccomp.profile.source import RUNTIME_DEFAULT, Options, Source, load, runtime_default

_ANOTHER_WAY = "or leave its node pool out with --nodepool-name."


class ProfileChoice(Protocol):
    """What ``--profile`` names."""

    @property
    def identity(self) -> ProfileIdentity:
        """How the report names it."""

    @property
    def by_container(self) -> bool:
        """Whether it depends on the capabilities of a container."""

    def on(self, node: Node, capabilities: frozenset[str]) -> Source:
        """The profile of a container with these capabilities (a bounding set) on a node. The same object for the same
        profile: at 1,000 nodes there are a handful of different ones.

        :raises SeccompError: it cannot be told.
        """

    def containerd_on(self, node: Node) -> str:
        """The version of containerd that it was made for on a node; empty when that makes no difference."""


class OneProfile:
    """A file that says the same everywhere.

    :param origin: where it is from, as the report tells it.
    """

    by_container = False

    def __init__(self, source: Source, origin: str) -> None:
        self._source = source
        self.identity = ProfileIdentity(source.name.rpartition("/")[2], source.sha256, origin)

    def on(self, _node: Node, _capabilities: frozenset[str]) -> Source:
        """The file."""
        return self._source

    def containerd_on(self, _node: Node) -> str:
        """It makes no difference."""
        return ""


class DockerProfile:
    """A file in Docker's format: architecture, kernel and capabilities decide which of its rules hold.

    :param data: the file.
    :param name: of the file, for messages.
    :raises InvalidInput: it is not such a file.
    """

    by_container = True

    def __init__(self, data: bytes, name: str) -> None:
        load(data, name, Options(docker_format=True))  # what is wrong with it is said before a cluster is reached
        self.identity = ProfileIdentity(name.rpartition("/")[2], hashlib.sha256(data).hexdigest(), name)
        self._rendered = cache(lambda options: load(data, name, options))

    def on(self, node: Node, capabilities: frozenset[str]) -> Source:
        """The file, rendered for the node and the container.

        :raises InvalidInput: the node's architecture is none of AKS, or its kernel cannot be read.
        """
        try:
            return self._rendered(_options(node, capabilities, docker_format=True))
        except InvalidInput as error:
            raise InvalidInput(
                f"{self.identity.source} cannot be rendered for node {node.name}.",
                why=str(error),
                fix=f"{error.fix} To go on without it, leave its node pool out with --nodepool-name.".lstrip(),
            ) from None

    def containerd_on(self, _node: Node) -> str:
        """It makes no difference."""
        return ""


class RuntimeDefault:
    """What containerd gives to containers of type RuntimeDefault.

    :param containerd_version: the one that is asked about, such as that of the next upgrade; empty: that of each node.
    :raises InvalidInput: it is no version.
    :raises Unsupported: it is older than all that are known.
    """

    by_container = True

    def __init__(self, containerd_version: str = "") -> None:
        self._version = containerd_version
        self._rendered = cache(runtime_default)
        name = RUNTIME_DEFAULT
        if containerd_version:
            name = f"{RUNTIME_DEFAULT} of containerd {containerd_version}"
            self._rendered(Options(containerd_version=containerd_version))
        self.identity = ProfileIdentity(name, "", RUNTIME_DEFAULT)

    def on(self, node: Node, capabilities: frozenset[str]) -> Source:
        """The profile of the node's architecture and kernel.

        :raises InvalidInput: the node does not tell a version that can be read.
        :raises Unsupported: the profile of its container runtime is not known.
        """
        if not self._version and node.runtime != "containerd":
            raise Unsupported(
                f"The RuntimeDefault profile of node {node.name} is not known.",
                why=f"Its container runtime is {node.runtime or 'unknown'} {node.runtime_version}, not containerd.",
                fix=f"Give --containerd-version, {_ANOTHER_WAY}",
            )
        options = _options(node, capabilities, containerd_version=self.containerd_on(node))
        try:
            return self._rendered(options)
        except (InvalidInput, Unsupported) as error:
            raise type(error)(
                f"The RuntimeDefault profile of node {node.name} with containerd "
                f"{node.runtime_version or 'of no version'} is not known.",
                why=str(error),
                fix=f"Give --containerd-version, {_ANOTHER_WAY}",
            ) from None

    def containerd_on(self, node: Node) -> str:
        """The version that was given, or the node's own."""
        return self._version or node.runtime_version


def _options(
    node: Node, capabilities: frozenset[str], *, containerd_version: str | None = None, docker_format: bool = False
) -> Options:
    return Options(
        arch=node.arch,
        containerd_version=containerd_version,
        cap_add=tuple(sorted(capabilities)),
        cap_drop=("ALL",),  # nothing but those
        docker_format=docker_format,
        kernel=node.kernel or None,
    )
