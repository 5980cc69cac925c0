# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Profile files on the nodes: placed, listed, removed, on all nodes at once."""

import hashlib
import secrets
import threading
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from azext_seccomp.cluster.interface import Kube
from azext_seccomp.errors import InvalidInput
from azext_seccomp.node.answer import Entry, Result
from azext_seccomp.node.installers import NodeAnswer, run_installers
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.kernel_log import unrecorded
from azext_seccomp.node.manifest import DEFAULT_INSTALLER_IMAGE, Job
from azext_seccomp.node.paths import OWN_DIRECTORY, ProfileFile, own_path
from azext_seccomp.profile.model import Action
from azext_seccomp.progress import Progress, Silent

Status = Literal["placed", "present", "removed", "absent", "failed", "skipped", "refused"]

MAX_FILES = 32  # whose results fit into a termination message, each with an error

_STATUSES: dict[str, Status] = {
    "placed": "placed",
    "present": "present",
    "removed": "removed",
    "absent": "absent",
    "failed": "failed",
    "refused": "refused",
    "different": "refused",
}


@dataclass(frozen=True, slots=True)
class NodeOutcome:
    """What became of one file on one node.

    ``status``: ``placed``; ``present`` (was there with this content); ``removed``; ``absent`` (was not there);
    ``refused`` (something is in the way that is not ours to change); ``failed``; ``skipped``. ``sha256`` is of what is
    on the node now (was, when it was removed).
    """

    node: str
    pool: str
    status: Status
    path: str
    sha256: str = ""
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the node is as it was asked to be, as far as it was asked at all."""
        return self.status not in ("failed", "refused")


@dataclass(frozen=True, slots=True)
class NodeListing:
    """What is below a node's seccomp directory: ``total`` entries, of which ``entries`` are listed. ``failure``: why
    that is not known.
    """

    node: str
    pool: str
    entries: tuple[Entry, ...] = ()
    total: int = 0
    failure: str = ""


def place(
    kube: Kube,
    session: str,
    placements: Sequence[tuple[Node, Sequence[ProfileFile]]],
    *,
    image: str = DEFAULT_INSTALLER_IMAGE,
    force: bool = False,
    recorded: Collection[Action] = (),
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> list[NodeOutcome]:
    """Make every node have its files, each with exactly its content, read back there. The namespace has to exist.

    The API server does not know which nodes have a file, so each gets an installer, which looks first: a file that is
    there already is not written again; one of the same name with another content is replaced with ``force`` only.

    :param placements: nodes, none twice, each with the files that it is to have. One path may have another content on
        another node.
    :param recorded: actions that the nodes' kernels have to record. A node whose kernel is set not to has its files
        ``refused``, though they are there: under them nothing would be seen.
    :return: the outcomes by node, then by file, in the orders given.
    :raises InvalidInput: no file for a node, more than ``MAX_FILES``, or two for one path.
    :raises SeccompError: as ``run_installers``.
    """
    contents = _Contents()
    of_node = {node.name: [_numbered(one, contents) for one in _checked(files)] for node, files in placements}
    job = Job(
        session,
        secrets.token_hex(2),
        ("place", "force" if force else "keep"),
        contents.all(),
        image,
        {name: tuple(word for words in told for word in words) for name, told in of_node.items()},
    )
    nodes = [node for node, _ in placements]
    answers = run_installers(kube, job, nodes, progress=progress or Silent(), step="Placing on the nodes", stop=stop)
    outcomes = _outcomes(
        answers, {name: [(int(words[0]), words[1]) for words in told] for name, told in of_node.items()}
    )
    unseen = {one.node.name: unrecorded(one.answer.logged, recorded) for one in answers if one.answer}
    return [_refused(one, unseen.get(one.node, "")) for one in outcomes]


def list_files(
    kube: Kube,
    session: str,
    nodes: Sequence[Node],
    *,
    image: str = DEFAULT_INSTALLER_IMAGE,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> list[NodeListing]:
    """What is below every node's seccomp directory, ours and others'.

    :raises SeccompError: as ``run_installers``.
    """
    job = _job(session, ["list"], image)
    answers = run_installers(kube, job, nodes, progress=progress or Silent(), step="Asking the nodes", stop=stop)
    return [_listing(one) for one in answers]


def remove(
    kube: Kube,
    session: str,
    nodes: Sequence[Node],
    paths: Sequence[str] | None,
    *,
    image: str = DEFAULT_INSTALLER_IMAGE,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> list[NodeOutcome]:
    """Remove files of ours from every node: those of ``paths``, or all that are in our directory when it is None.

    :raises InvalidInput: a path is not one of ours; no path, or more than ``MAX_FILES``.
    :raises SeccompError: as ``run_installers``.
    """
    if paths is None:
        arguments = ["remove-tree", OWN_DIRECTORY]
    elif not 0 < len(paths) <= MAX_FILES:
        raise InvalidInput(f"{len(paths)} files were named; 1 to {MAX_FILES} can be removed at once.")
    else:
        arguments = ["remove"]
        for number, path in enumerate(paths):
            arguments += [str(number), own_path(path)]
    job = _job(session, arguments, image)
    answers = run_installers(kube, job, nodes, progress=progress or Silent(), step="Removing from the nodes", stop=stop)
    if paths is None:
        return [outcome for one in answers for outcome in _tree_outcomes(one)]
    return _outcomes(answers, {node.name: list(enumerate(paths)) for node in nodes})


class _Contents:
    """The different contents of files, numbered in the order in which they come up."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, str]] = {}

    def number_and_sha256(self, content: bytes) -> tuple[int, str]:
        if content not in self._known:
            self._known[content] = len(self._known), hashlib.sha256(content).hexdigest()
        return self._known[content]

    def all(self) -> tuple[bytes, ...]:
        return tuple(self._known)


def _checked(files: Sequence[ProfileFile]) -> Sequence[ProfileFile]:
    if not 0 < len(files) <= MAX_FILES:
        raise InvalidInput(f"{len(files)} files were given; 1 to {MAX_FILES} can be placed at once.")
    if len({one.path for one in files}) != len(files):
        raise InvalidInput("Two of the files have the same path.")
    return files


def _numbered(one: ProfileFile, contents: _Contents) -> tuple[str, str, str]:
    """How the installer is told of a file."""
    number, sha256 = contents.number_and_sha256(one.content)
    return str(number), own_path(one.path), sha256


def _job(session: str, arguments: Iterable[str], image: str) -> Job:
    return Job(session, secrets.token_hex(2), tuple(arguments), (), image)


def _outcomes(answers: Iterable[NodeAnswer], asked: Mapping[str, Sequence[tuple[int, str]]]) -> list[NodeOutcome]:
    """:param asked: the number and the path of each file that a node was asked about, in this order."""
    outcomes: list[NodeOutcome] = []
    for one in answers:
        told: dict[int, deque[Result]] = defaultdict(deque)
        for result in one.answer.results if one.answer else ():
            told[result.number].append(result)
        # Files with the same content have the same number; the script answers in the order in which it was asked.
        for number, path in asked[one.node.name]:
            outcomes.append(_outcome(one, path, told[number].popleft() if told[number] else None))
    return outcomes


def _outcome(one: NodeAnswer, path: str, result: Result | None) -> NodeOutcome:
    name, pool = one.node.name, one.node.pool
    if result is None:
        return NodeOutcome(name, pool, "failed", path, detail=one.failure or "the installer said nothing about it")
    detail = result.detail
    if result.status == "different":
        detail = "a different file of this name is there; --force replaces it"
    return NodeOutcome(name, pool, _STATUSES[result.status], path, result.sha256, detail)


def _refused(one: NodeOutcome, why: str) -> NodeOutcome:
    return replace(one, status="refused", detail=why) if why and one.ok else one


def _tree_outcomes(one: NodeAnswer) -> list[NodeOutcome]:
    name, pool = one.node.name, one.node.pool
    if one.answer is None:
        return [NodeOutcome(name, pool, "failed", "", detail=one.failure)]
    if one.answer.error:
        return [NodeOutcome(name, pool, "failed", "", detail=one.answer.error)]
    if not one.answer.total:
        return [NodeOutcome(name, pool, "absent", "", detail="nothing of ours was there")]
    outcomes = [NodeOutcome(name, pool, "removed", entry.path, entry.sha256) for entry in one.answer.entries]
    unnamed = one.answer.total - len(outcomes)
    if unnamed:
        outcomes.append(NodeOutcome(name, pool, "removed", "", detail=f"and {unnamed} more"))
    return outcomes


def _listing(one: NodeAnswer) -> NodeListing:
    name, pool = one.node.name, one.node.pool
    if one.answer is None:
        return NodeListing(name, pool, failure=one.failure)
    return NodeListing(name, pool, one.answer.entries, one.answer.total, one.answer.error)
