# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""All profiles of one audit: which file a container names, and what is in that file on each node.

A pod template can name one ``localhostProfile`` for each container, and its pods may land on any node. So a path stands
for the choice of the user and a set of capabilities, and the content below it is that of the node.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from azext_seccomp.audit.choice import ProfileChoice
from azext_seccomp.errors import InvalidInput
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.paths import ProfileFile, profile_file
from azext_seccomp.node.placement import MAX_FILES
from azext_seccomp.profile import codec
from azext_seccomp.profile.capabilities import DEFAULT, in_words
from azext_seccomp.profile.decision import decision_of
from azext_seccomp.profile.model import Action, Profile
from azext_seccomp.profile.source import Source
from azext_seccomp.profile.variants import to_audit, to_canary

Mode = Literal["audit", "canary"]

_NAME_DIGITS = 16


@dataclass(frozen=True, slots=True, eq=False)
class _Variant:
    """One profile and the file that is made of it."""

    enforced: Profile
    placed: Profile
    content: bytes
    sha256: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Path:
    """What a path stands for: sets of capabilities, and one variant for each node, in the order of the nodes."""

    capabilities: list[frozenset[str]]
    variants: list[_Variant]


class ProfileSet:
    """The profiles of one audit.

    :param nodes: those that the files are placed on.
    :param capabilities: bounding sets of the containers that are audited; of no matter when the choice does not depend
        on them.
    :param mode: ``audit``: what the profile denies is logged; ``canary``: it is denied and logged.
    :param directory: of the files, below the directory of this extension.
    :raises InvalidInput: the profiles differ so much that a node would need too many files.
    :raises SeccompError: as ``ProfileChoice.on``.
    """

    def __init__(
        self,
        choice: ProfileChoice,
        nodes: Sequence[Node],
        capabilities: Iterable[frozenset[str]],
        *,
        mode: Mode,
        directory: str,
    ) -> None:
        self._choice = choice
        self.mode = mode
        self._nodes = tuple(nodes)
        self._numbers = {node.name: number for number, node in enumerate(nodes)}
        self._variants: dict[Source, _Variant] = {}
        self._by_path: dict[str, _Path] = {}
        self._path_of: dict[frozenset[str], str] = {}
        for one in sorted(set(capabilities), key=sorted) if choice.by_container else [DEFAULT]:
            variants = [self._variant(choice.on(node, one)) for node in nodes]
            path = profile_file(b"", f"{directory}/{_digest(nodes, variants)}").path
            self._by_path.setdefault(path, _Path([], variants)).capabilities.append(one)
            self._path_of[one] = path
        if len(self._by_path) > MAX_FILES:
            raise InvalidInput(
                f"The containers need {len(self._by_path)} different profiles, so many do their capabilities differ.",
                fix=f"A node gets up to {MAX_FILES} of them at once: audit fewer workloads.",
            )

    @property
    def paths(self) -> frozenset[str]:
        """All values of ``localhostProfile``."""
        return frozenset(self._by_path)

    @property
    def only_path(self) -> str:
        """The value of ``localhostProfile`` when there is just one; else empty."""
        return next(iter(self._by_path)) if len(self._by_path) == 1 else ""

    @property
    def only_logs(self) -> bool:
        """Whether the profile is an audit profile itself: it refuses nothing."""
        return not self.denials

    @property
    def denials(self) -> frozenset[Action]:
        """The actions by which the profiles refuse calls."""
        return frozenset(action for one in self._variants.values() for action in _denials(one.enforced))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed, and what an operator has to know of the variants; each sentence once."""
        said = [note for source in self._variants for note in source.notes]
        said += [note for one in self._variants.values() for note in one.notes]
        return tuple(dict.fromkeys(said))

    def path_for(self, capabilities: frozenset[str]) -> str:
        """The ``localhostProfile`` of a container with one of the sets of capabilities that were given."""
        return self._path_of[capabilities if self._choice.by_container else DEFAULT]

    def include(self, node: Node) -> None:
        """Another node, that joined later. The paths stay: on it, they stand for what its containers get there.

        :raises SeccompError: as ``ProfileChoice.on``.
        """
        added = [self._variant(self._choice.on(node, one.capabilities[0])) for one in self._by_path.values()]
        for one, variant in zip(self._by_path.values(), added, strict=True):
            one.variants.append(variant)
        self._numbers[node.name] = len(self._nodes)
        self._nodes = (*self._nodes, node)

    def files_on(self, node: Node) -> tuple[ProfileFile, ...]:
        """The files of one of the nodes. Nodes share contents that are the same."""
        number = self._numbers[node.name]
        return tuple(ProfileFile(path, one.variants[number].content) for path, one in self._by_path.items())

    def enforced(self, path: str, node: str) -> tuple[Profile, str] | None:
        """The profile that is to be enforced where a container names ``path`` on a node, and the node's architecture;
        None for another path or another node.
        """
        found, number = self._by_path.get(path), self._numbers.get(node)
        if found is None or number is None:
            return None
        return found.variants[number].enforced, self._nodes[number].arch

    def placed(self) -> Iterator[tuple[Profile, list[Node]]]:
        """Every profile that is placed, with its nodes."""
        for found in self._by_path.values():
            for variant in dict.fromkeys(found.variants):
                yield (
                    variant.placed,
                    [node for node, one in zip(self._nodes, found.variants, strict=True) if one is variant],
                )

    def rows(self) -> list[dict[str, Any]]:
        """The files as a report shows them: one row for each path, version of containerd, architecture and content."""
        rows = []
        for path, found in self._by_path.items():
            nodes: dict[tuple[str, str, _Variant], list[str]] = {}
            for node, variant in zip(self._nodes, found.variants, strict=True):
                nodes.setdefault((self._choice.containerd_on(node), node.arch, variant), []).append(node.name)
            words = [in_words(one) for one in found.capabilities] if self._choice.by_container else []
            rows += [
                {
                    "localhostProfile": path,
                    "nodes": names,
                    "containerd": containerd,
                    "arch": arch,
                    "capabilities": "; ".join(words),
                    "sha256": variant.sha256,
                }
                for (containerd, arch, variant), names in nodes.items()
            ]
        return rows

    def _variant(self, source: Source) -> _Variant:
        known = self._variants.get(source)
        if known is None:
            made = to_audit(source.profile) if self.mode == "audit" else to_canary(source.profile)
            content = codec.encode(made.profile)
            sha256 = hashlib.sha256(content).hexdigest()
            known = self._variants[source] = _Variant(source.profile, made.profile, content, sha256, made.notes)
        return known


def _digest(nodes: Sequence[Node], variants: Sequence[_Variant]) -> str:
    """The name that the contents of a path make: another content on any node is another name."""
    contents = {one.sha256 for one in variants}
    if len(contents) == 1:
        return contents.pop()[:_NAME_DIGITS]
    told = "".join(f"{node.name} {one.sha256}\n" for node, one in zip(nodes, variants, strict=True))
    return hashlib.sha256(told.encode()).hexdigest()[:_NAME_DIGITS]


def _denials(profile: Profile) -> Iterator[Action]:
    yield from (
        decision.action
        for decision in (
            decision_of(profile.default_action, profile.default_errno_ret),
            *(decision_of(rule.action, rule.errno_ret) for rule in profile.rules),
        )
        if decision.denies
    )
