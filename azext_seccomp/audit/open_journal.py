# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The journal of the session under way: written before anything is done, kept up, and missed when it is gone."""

from collections.abc import Sequence

import msgspec

from azext_seccomp.audit import journal as journals
from azext_seccomp.audit.journal import Journal, JournalObject
from azext_seccomp.cluster.interface import Kube
from azext_seccomp.errors import Conflict, NotFound, WrongState


class OpenJournal:
    """The journal of one session. ``entry`` is what it says; None before it is begun, and when it is another's."""

    def __init__(self, kube: Kube, session: str) -> None:
        self._kube = kube
        self._session = session
        self._guarded = False
        self.entry: Journal | None = None

    def begin(self, entry: Journal) -> None:
        """Write it for the first time.

        :raises Conflict: there is a journal of that name; it is another session's, and so is all that it names.
        :raises SeccompError: as ``journal.write``; it may be there nevertheless.
        """
        self.entry = entry
        try:
            journals.write(self._kube, entry)
        except Conflict:
            self.entry = None
            raise
        self._guarded = True

    def record(self, objects: tuple[JournalObject, ...]) -> None:
        """Write down what has been created."""
        self._change(objects=objects)

    def add_nodes(self, nodes: Sequence[str]) -> None:
        """Write down more nodes that may get files."""
        self._change(nodes=(*self._begun().nodes, *nodes))

    def keep(self) -> None:
        """Write down that what was made is to stay."""
        self._change(kept=True)

    def close(self) -> None:
        """From here on it is the session itself that removes it."""
        self._guarded = False

    def is_missed(self) -> bool:
        """Whether it is somebody else who has removed it, when it is not there."""
        return self._guarded

    def vouch(self) -> None:
        """Make sure that it is there, and renew it.

        :raises WrongState: somebody has taken the session for dead and cleared up after it.
        """
        try:
            journals.renew(self._kube, self._session)
        except NotFound as error:
            raise WrongState(
                "Somebody removed the journal of this session, so it changes nothing more.",
                why=error.why,
                fix="Audits that run are not to be cleaned up with --force.",
            ) from None

    def _begun(self) -> Journal:
        assert self.entry is not None, "the journal comes first"
        return self.entry

    def _change(self, **fields: object) -> None:
        self.entry = msgspec.structs.replace(self._begun(), **fields)
        journals.update(self._kube, self.entry)
