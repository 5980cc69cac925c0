# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""An API server in memory: what ``azext_seccomp.cluster.interface.Kube`` promises, for tests of the layers above."""

import copy
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from azext_seccomp.cluster.interface import CONFIG_MAPS, NAMESPACES, NODES, PODS, JsonObject, Resource, WatchEvent
from azext_seccomp.errors import Conflict, NotFound, SeccompError

POLL_SECONDS = 0.01


class Key(NamedTuple):
    """Where an object is kept. ``namespace`` is empty for what has none, ``name`` for a collection."""

    plural: str
    namespace: str
    name: str


class Request(NamedTuple):
    """One request that was made."""

    verb: str
    path: str
    body: Any
    dry_run: bool


class FakeLog:
    """A log of fixed lines."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            if self.closed:
                return
            yield line

    def close(self) -> None:
        self.closed = True


class FakeKube:
    """Objects are kept as dicts; every change reaches every watch.

    ``refuse``: called before each request; an error that it returns is raised instead (admission, RBAC, a broken
    connection). ``on_create``: called after an object was stored, outside the lock: stands for controllers and
    kubelets, mostly by ``set_status``. ``lingering``: names of pods that a graceful deletion does not remove (their
    node is down); a forced one does.
    """

    def __init__(
        self,
        *,
        refuse: Callable[[Request], SeccompError | None] = lambda request: None,
        on_create: Callable[["FakeKube", JsonObject], None] = lambda kube, created: None,
    ) -> None:
        self.objects: dict[Key, JsonObject] = {}
        self.requests: list[Request] = []
        self.logs: dict[str, list[bytes]] = {}
        self.lingering: set[str] = set()
        self.refuse = refuse
        self.on_create = on_create
        self.resources = [NODES, NAMESPACES, PODS, CONFIG_MAPS]
        self._watches: list[tuple[Key, str, str, queue.SimpleQueue[WatchEvent]]] = []
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    # What a test prepares or looks at

    def add(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Put an object there, past ``refuse`` and ``on_create``."""
        return self._store(_key(path), body)

    def set_status(self, path: str, status: Mapping[str, Any]) -> None:
        """Replace the status of an object; nothing happens when it is gone."""
        with self._lock:
            found = self.objects.get(_key(path))
            if found is not None:
                self._change(_key(path), {**found, "status": dict(status)})

    def names(self, path: str) -> Sequence[str]:
        """The names of the objects in a collection."""
        return [one["metadata"]["name"] for one in self._matching(_key(path), "", "")]

    def made(self, verb: str, part_of_path: str = "") -> list[Request]:
        """The requests with this verb whose path contains the text."""
        return [one for one in self.requests if one.verb == verb and part_of_path in one.path]

    # The protocol

    def get(self, path: str) -> JsonObject:
        self._request("get", path)
        return copy.deepcopy(self._existing(_key(path)))

    def list(self, path: str, *, labels: str = "", fields: str = "") -> Iterator[JsonObject]:
        self._request("list", path)
        yield from self._matching(_key(path), labels, fields)

    def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
        self._request("create", path, body, dry_run)
        key = _key(path)._replace(name=body["metadata"]["name"])
        if key in self.objects:
            raise Conflict(f"{key.plural} {key.name} exists already.")
        if dry_run:
            return copy.deepcopy(dict(body))
        created = self._store(key, body)
        self.on_create(self, copy.deepcopy(created))
        return created

    def patch(
        self,
        path: str,
        body: Any,
        *,
        content_type: str = "application/merge-patch+json",
        dry_run: bool = False,
        metadata_only: bool = False,
    ) -> JsonObject:
        self._request("patch", path, body, dry_run)
        if content_type not in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
            raise AssertionError(f"{content_type} is not known here")
        with self._lock:
            changed = _merged(self._existing(_key(path)), body)
            answer = changed if dry_run else self._change(_key(path), changed)
            return {"metadata": answer["metadata"]} if metadata_only else answer

    def replace(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> JsonObject:
        self._request("replace", path, body, dry_run)
        with self._lock:
            found = self._existing(_key(path))
            asked = body["metadata"].get("resourceVersion")
            if asked not in (None, found["metadata"]["resourceVersion"]):
                raise Conflict(f"{path} has been modified.")
            return dict(body) if dry_run else self._change(_key(path), dict(body))

    def delete(self, path: str, *, grace_seconds: int | None = None, labels: str = "", uid: str = "") -> bool:
        self._request("delete", path)
        key = _key(path)
        with self._lock:
            if not key.name:
                for one in self._matching(key, labels, ""):
                    metadata = one["metadata"]
                    self._remove(Key(key.plural, metadata.get("namespace", ""), metadata["name"]), grace_seconds)
                return True
            if key not in self.objects:
                return False
            if uid and self.objects[key]["metadata"]["uid"] != uid:
                raise Conflict(f"{path} is another object now.")
            self._remove(key, grace_seconds)
            return True

    def watch(
        self,
        path: str,
        *,
        labels: str = "",
        fields: str = "",
        stop: threading.Event,
        timeout_seconds: float | None = None,
    ) -> Iterator[WatchEvent]:
        self._request("watch", path)
        inbox: queue.SimpleQueue[WatchEvent] = queue.SimpleQueue()
        entry = (_key(path), labels, fields, inbox)
        with self._lock:
            for one in self._matching(_key(path), labels, fields):
                inbox.put(WatchEvent("ADDED", one))
            self._watches.append(entry)
        deadline = time.monotonic() + timeout_seconds if timeout_seconds is not None else None
        try:
            while not stop.is_set() and (deadline is None or time.monotonic() < deadline):
                try:
                    event = inbox.get(timeout=POLL_SECONDS)
                except queue.Empty:
                    continue
                yield event
        finally:
            self._watches.remove(entry)

    def follow_log(self, namespace: str, pod: str, container: str, *, since_time: str | None = None) -> FakeLog:
        self._request("log", PODS.path(namespace, pod))
        self._existing(Key("pods", namespace, pod))
        return FakeLog(self.logs.get(pod, []))

    def resource(self, api_version: str, kind: str) -> Resource:
        for one in self.resources:
            if (one.api_version, one.kind) == (api_version, kind):
                return one
        raise NotFound(f"The server does not serve {kind} of {api_version}.")

    # Inside

    def _request(self, verb: str, path: str, body: Any = None, dry_run: bool = False) -> None:
        request = Request(verb, path, copy.deepcopy(body), dry_run)
        self.requests.append(request)
        error = self.refuse(request)
        if error is not None:
            raise error

    def _existing(self, key: Key) -> JsonObject:
        if key not in self.objects:
            raise NotFound(f"{key.plural} {key.name} is not there.")
        return self.objects[key]

    def _matching(self, key: Key, labels: str, fields: str) -> Sequence[JsonObject]:
        with self._lock:
            return [
                copy.deepcopy(found)
                for where, found in self.objects.items()
                if where.plural == key.plural
                and key.namespace in ("", where.namespace)
                and key.name in ("", where.name)
                and _selected(found, labels, fields)
            ]

    def _store(self, key: Key, body: Mapping[str, Any]) -> JsonObject:
        with self._lock:
            stored = copy.deepcopy(dict(body))
            metadata = stored.setdefault("metadata", {})
            metadata.setdefault("name", key.name)
            metadata.setdefault("uid", f"uid-{next(self._numbers)}")
            metadata["resourceVersion"] = str(next(self._numbers))
            if key.namespace:
                metadata["namespace"] = key.namespace
            key = key._replace(name=metadata["name"])
            self.objects[key] = stored
            self._tell(key, "ADDED", stored)
            return copy.deepcopy(stored)

    def _change(self, key: Key, changed: JsonObject) -> JsonObject:
        changed = copy.deepcopy(changed)
        changed["metadata"]["resourceVersion"] = str(next(self._numbers))
        self.objects[key] = changed
        self._tell(key, "MODIFIED", changed)
        return copy.deepcopy(changed)

    def _remove(self, key: Key, grace_seconds: int | None) -> None:
        if key.name in self.lingering and grace_seconds != 0:
            return
        self._tell(key, "DELETED", self.objects.pop(key))

    def _tell(self, key: Key, kind: str, about: JsonObject) -> None:
        for wanted, labels, fields, inbox in self._watches:
            same = wanted.plural == key.plural and wanted.namespace in ("", key.namespace)
            if same and wanted.name in ("", key.name) and _selected(about, labels, fields):
                inbox.put(WatchEvent(kind, copy.deepcopy(about)))


def _key(path: str) -> Key:
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[0] == "namespaces" and len(parts) > 2:
        return Key(parts[2], parts[1], parts[3] if len(parts) > 3 else "")
    return Key(parts[0], "", parts[1] if len(parts) > 1 else "")


def _selected(found: JsonObject, labels: str, fields: str) -> bool:
    carried = found["metadata"].get("labels") or {}
    for term in filter(None, labels.split(",")):
        if not _holds(term, carried.get):
            return False
    return all(_holds(term, lambda field: _field(found, field)) for term in filter(None, fields.split(",")))


def _holds(term: str, value_of: Callable[[str], Any]) -> bool:
    if "!=" in term:
        name, value = term.split("!=")
        return bool(value_of(name) != value)
    name, separator, value = term.partition("=")
    return bool(value_of(name) == value.lstrip("=")) if separator else value_of(name) is not None


def _field(found: JsonObject, field: str) -> Any:
    value: Any = found
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _merged(old: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, Mapping):
        return change
    result = dict(old) if isinstance(old, Mapping) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result
