# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""An audit of a manifest: copies of its objects are applied, all their containers under audit profiles."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from azext_seccomp.audit import manifest_objects
from azext_seccomp.audit.exercise import Exercise, Pump, Record, unprepared
from azext_seccomp.audit.journal import JournalObject
from azext_seccomp.audit.plan import Selection
from azext_seccomp.audit.profile_set import ProfileSet
from azext_seccomp.audit.verdict import Workload
from azext_seccomp.cluster.interface import JsonObject, Kube
from azext_seccomp.cluster.namespace import SESSION_LABEL
from azext_seccomp.progress import Progress
from azext_seccomp.workload.capabilities import capabilities_of
from azext_seccomp.workload.manifest import require_absent, resolve
from azext_seccomp.workload.templates import PathOf, containers_in


class AppliedManifest(Exercise):
    """The objects of a manifest.

    :param objects: as ``workload.manifest.read_manifest`` returns them.
    :param namespace: of those that do not say theirs.
    :raises SeccompError: the cluster does not serve a kind, or one of the objects is there already.
    """

    makes = True

    def __init__(
        self, kube: Kube, session: str, objects: Iterable[JsonObject], namespace: str, progress: Progress
    ) -> None:
        self._kube = kube
        self._session = session
        self._progress = progress
        self._objects = resolve(kube, objects, namespace)
        require_absent(kube, self._objects)
        self._path_of: PathOf = unprepared
        spaces = {one.namespace for one in self._objects if one.makes_pods}
        only = spaces.pop() if len(spaces) == 1 else ""
        super().__init__(Selection(namespace=only, labels=f"{SESSION_LABEL}={session}"))

    def containers(self) -> Iterator[Mapping[str, Any]]:
        """Those of all pod templates."""
        return (container for one in self._objects for container in containers_in(one.body))

    def prepare(self, profiles: ProfileSet) -> None:
        """Let the API server and its policies judge the copies."""
        self._path_of = lambda container: profiles.path_for(capabilities_of(container))
        manifest_objects.dry_run(self._kube, self._objects, self._session, self._path_of)

    def objects(self) -> tuple[JournalObject, ...]:
        """All of them."""
        return manifest_objects.planned(self._objects)

    def begin(self, pump: Pump, record: Record) -> int | None:
        """Create them."""
        made = manifest_objects.create(self._kube, self._objects, self._session, self._path_of, self._progress)
        record(made)
        return manifest_objects.pods_that_end(self._objects)

    def described(self, seen: Sequence[Workload]) -> list[Workload]:
        """They were made for the audit."""
        return [replace(one, treatment="applied") for one in seen]
