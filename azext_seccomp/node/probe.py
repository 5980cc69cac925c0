# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Which nodes can run a canary: containers whose profile denies calls and has the kernel log them.

That needs a flag of the filter, SECCOMP_FILTER_FLAG_LOG, which runc takes from 1.2 on. Nothing in the API tells which
runc a node has, so a container is started under a profile with that flag: a profile that allows everything, and the
container removes it.
"""

import secrets
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from azext_seccomp.cluster.interface import Kube
from azext_seccomp.errors import SeccompError
from azext_seccomp.node.installers import NodeAnswer, run_installers
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.manifest import DEFAULT_INSTALLER_IMAGE, Job
from azext_seccomp.node.paths import ProfileFile, profile_file
from azext_seccomp.node.placement import place, remove
from azext_seccomp.profile import codec
from azext_seccomp.profile.model import Action, Profile
from azext_seccomp.profile.variants import LOG_FLAG
from azext_seccomp.progress import Progress, Silent

# runc up to 1.1, libcontainer/specconv/spec_linux.go
_NO_FLAGS = "seccomp flags are not yet supported by runc"
_GONE = frozenset({"removed", "absent"})


def probe_path(session: str) -> str:
    """Where the probe of a session is while it runs. To be named in the session's journal, for a run that is killed."""
    return _probe_file(session).path


def canary_refusals(
    kube: Kube,
    session: str,
    nodes: Sequence[Node],
    *,
    actions: Collection[Action] = (Action.ERRNO,),
    image: str = DEFAULT_INSTALLER_IMAGE,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> dict[str, str]:
    """Why nodes cannot run a canary, by their names; those that can are not in it. The namespace has to exist.

    The probe is removed again on every way out. What a node does not let go stays for the end of the session, whose
    journal has to name ``probe_path``.

    :param actions: those of the canary's denials, which the kernel has to record.
    :param stop: ends the waiting early; nodes that have not answered by then are among the refusals.
    :raises SeccompError: as ``run_installers``.
    """
    trial = _Trial(kube, session, image, _probe_file(session), progress or Silent(), stop)
    with trial.removed_at_the_end(nodes):
        refusals = trial.place(nodes, actions)
        able = [node for node in nodes if node.name not in refusals]
        if able:
            refusals |= trial.start_under_it(able)
        return refusals


def _probe_file(session: str) -> ProfileFile:
    content = codec.encode(Profile(Action.ALLOW, flags=(LOG_FLAG,)))
    return profile_file(content, f"audit/{session}/canary-probe")


@dataclass
class _Trial:
    """The probe of one session, and which of its nodes are rid of it."""

    kube: Kube
    session: str
    image: str
    file: ProfileFile
    progress: Progress
    stop: threading.Event | None
    rid: set[str] = field(default_factory=set)

    def place(self, nodes: Sequence[Node], actions: Collection[Action]) -> dict[str, str]:
        outcomes = place(
            self.kube,
            self.session,
            [(node, [self.file]) for node in nodes],
            image=self.image,
            force=True,
            recorded=actions,
            progress=self.progress,
            stop=self.stop,
        )
        return {one.node: one.detail for one in outcomes if not one.ok}

    def start_under_it(self, nodes: Sequence[Node]) -> dict[str, str]:
        key = secrets.token_hex(2)
        job = Job(self.session, key, ("remove", "0", self.file.path), (), self.image, localhost_profile=self.file.path)
        step = "Trying whether the nodes log denials"
        answers = run_installers(self.kube, job, nodes, progress=self.progress, step=step, stop=self.stop)
        for one in answers:
            if one.answer and any(result.status in _GONE for result in one.answer.results):
                self.rid.add(one.node.name)
        return {one.node.name: _why(one) for one in answers if one.failure}

    @contextmanager
    def removed_at_the_end(self, nodes: Sequence[Node]) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with suppress(SeccompError):
                self._remove(nodes)
            raise
        else:
            self._remove(nodes)

    def _remove(self, nodes: Sequence[Node]) -> None:
        """Without ``stop``: an interrupted run is to be cleaned up too."""
        left = [node for node in nodes if node.name not in self.rid]
        if left:
            remove(self.kube, self.session, left, [self.file.path], image=self.image, progress=self.progress)


def _why(one: NodeAnswer) -> str:
    if _NO_FLAGS in one.failure:
        return f"its runc is too old, a canary needs 1.2 or later: {_NO_FLAGS}"
    return one.failure
