# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How users name workloads: ``deploy/web``, ``StatefulSet/db``, ``cronjobs.batch/backup``, ``daemonsets``, ``all``."""

import difflib
import re
from typing import NamedTuple

from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import InvalidInput
from azext_seccomp.workload.kinds import KINDS, WorkloadKind

_ALL = "all"
_BY_WORD = {word: one for one in KINDS.values() for word in one.words}
# apimachinery, util/validation: IsDNS1123Subdomain; the names of all these kinds are such.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME = 253
_SHAPE = "Name a workload as KIND/NAME, such as deployment/web, all of a kind as KIND, or all of them as 'all'."


class Reference(NamedTuple):
    """Workloads that were named. ``kind``: as the API writes it, empty for all that run long (Deployment, StatefulSet,
    DaemonSet). ``name``: empty for all of the kind.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind or _ALL


def parse_reference(word: str) -> Reference:
    """Read one word as kubectl would: singular, plural and short names of kinds, in any case, with the API group
    (``deployments.apps``) or version and group (``deployments.v1.apps``) behind them if that is wanted.

    :raises InvalidInput: it names no kind that can be audited, or the name is not one that an object can have.
    """
    kind_word, slash, name = word.partition("/")
    if kind_word.lower() == _ALL:
        if slash:
            raise InvalidInput(f"'{printable(word, 80)}' does not say of which kind.", fix=_SHAPE)
        return Reference("", "")
    kind = _kind(kind_word)
    if slash and (len(name) > _LONGEST_NAME or not _NAME.fullmatch(name)):
        raise InvalidInput(f"'{printable(name, 80)}' cannot be the name of a {kind.kind}.", fix=_SHAPE)
    return Reference(kind.kind, name)


def _kind(word: str) -> WorkloadKind:
    first, dot, rest = word.lower().partition(".")
    known = _BY_WORD.get(first)
    if known is not None and (not dot or rest == known.group or rest in _versioned(known)):
        return known
    near = difflib.get_close_matches(first[:64], sorted(_BY_WORD), n=1, cutoff=0.6)
    meant = f" Did you mean {_BY_WORD[near[0]].words[0]}?" if near else ""
    kinds = ", ".join(one.words[0] for one in KINDS.values())
    raise InvalidInput(
        f"'{printable(word, 80)}' is not a kind of workload that can be audited.{meant}",
        fix=f"Kinds are: {kinds}; or 'all'.",
    )


def _versioned(known: WorkloadKind) -> tuple[str, ...]:
    """``v1.apps``; the core's is ``v1.`` for kubectl, with nothing behind the point."""
    return tuple(f"{version}.{known.group}" for version in known.versions)
