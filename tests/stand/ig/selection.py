# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Which events a run shows: the filters of ``ig run``."""

from collections.abc import Sequence

from .containers import Container
from .flags import Options
from .records import Record


class Selection:
    """Filters on containers (a list of names, ``!name`` excludes) and on processes."""

    def __init__(self, options: Options) -> None:
        self._host = options.flags["host"]
        # no pod labels are known to containerd's own protocol, so that a selector on them matches no container
        self._nothing = bool(options.values["k8s-selector"])
        self._namespaces = options.list("k8s-namespace")
        self._pods = options.list("k8s-podname")
        self._names = options.list("k8s-containername")
        self._runtime_names = options.list("containername")
        self._containers: dict[str, bool] = {}
        self._processes = {
            key: options.values[key] for key in ("pid", "tid", "uid", "gid", "comm") if options.values[key]
        }

    def accepts(self, record: Record, container: Container | None) -> bool:
        """:param container: the container of the record's process, None for a process of the host."""
        if container is None:
            return self._host and self._process(record)
        accepted = self._containers.get(container.id)
        if accepted is None:
            accepted = self._containers[container.id] = self._container(container)
        return accepted and self._process(record)

    def _container(self, container: Container) -> bool:
        if container.sandbox or self._nothing:
            return False
        return (
            _matches(self._namespaces, container.namespace)
            and _matches(self._pods, container.pod)
            and _matches(self._names, container.name)
            and _matches(self._runtime_names, container.name)
        )

    def _process(self, record: Record) -> bool:
        if not self._processes:
            return True
        of = {
            "pid": str(record.pid),
            "tid": str(record.pid),
            "uid": str(record.uid),
            "gid": str(record.gid),
            "comm": record.comm,
        }
        return all(of[key] == wanted for key, wanted in self._processes.items())


def _matches(wanted: Sequence[str], value: str) -> bool:
    excluded = [name[1:] for name in wanted if name.startswith("!")]
    included = [name for name in wanted if not name.startswith("!")]
    return value not in excluded and (not included or value in included)
