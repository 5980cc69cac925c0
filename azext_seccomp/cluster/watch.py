# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Objects of a collection as they change, across broken connections.

List, then watch from the list's resource version; when the connection breaks, watch on from the last version seen; when
the server has forgotten that version (410), list again and report the difference. So nothing is missed and nothing is
reported twice.
"""

import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from azext_seccomp.cluster.failures import Expired
from azext_seccomp.cluster.interface import JsonObject, WatchEvent
from azext_seccomp.cluster.listing import items_of
from azext_seccomp.cluster.request import Request
from azext_seccomp.cluster.retry import Patience
from azext_seccomp.cluster.transport import Hangup
from azext_seccomp.cluster.unreachable import Closed
from azext_seccomp.errors import SeccompError, ServerFault, Unreachable, Unsupported

# The server ends each watch after this long, so that a watch moves on when API servers are replaced (client-go's
# reflector: 5 to 10 minutes).
_SERVER_SECONDS = (300, 600)
# A server, or something before it, that ends watches at once is not asked more often than this.
_LEAST_SECONDS = 1.0
# How often a thread that waits for ``stop`` looks whether the watch is still there.
_LOOK_SECONDS = 0.5
_OBJECT_LIMIT = 32 * 1024 * 1024


class Client(Protocol):
    """What a watch needs of ``kube.OfficialClient``."""

    def list_page(self, path: str, labels: str, fields: str, resume: str) -> JsonObject: ...

    def open_stream(self, request: Request) -> BaseHTTPResponse: ...

    def broken(self, request: Request, error: BaseException) -> SeccompError: ...


class _Seen(NamedTuple):
    version: str
    outline: JsonObject


class Watch:
    """One watch of one collection. Single use.

    :param labels: label selector.
    :param fields: field selector.
    """

    def __init__(
        self, client: Client, path: str, *, labels: str = "", fields: str = "", patience: Patience | None = None
    ) -> None:
        self._client = client
        self._path = path
        self._labels = labels
        self._fields = fields
        self._patience = patience or Patience()
        self._seen: dict[str, _Seen] = {}
        self._version = ""

    def events(self, stop: threading.Event, timeout_seconds: float | None = None) -> Iterator[WatchEvent]:
        """See ``interface.Kube.watch``.

        Errors of the first list are raised at once. Later the server may be away for three minutes before Unreachable
        or ServerFault is raised.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        yield from self._list(stop, deadline)
        while not _over(stop, deadline):
            try:
                if not self._version:
                    yield from self._list(stop, deadline)
                started = time.monotonic()
                yield from self._changes(stop, deadline)
                stop.wait(max(0.0, started + _LEAST_SECONDS - time.monotonic()))
            except Expired:
                self._version = ""
            except (Unreachable, ServerFault) as failure:
                if _over(stop, deadline):  # which hung up
                    return
                if isinstance(failure, Closed):
                    raise
                delay = self._patience.next_delay()
                if delay is None:
                    raise
                stop.wait(_within(delay, deadline))

    def _list(self, stop: threading.Event, deadline: float | None) -> Iterator[WatchEvent]:
        """Report how the collection differs from what was seen. A list that expires half-way is begun again after a
        while; what came before counts as seen.
        """
        while True:
            present: set[str] = set()
            resume = ""
            try:
                while True:
                    page = self._client.list_page(self._path, self._labels, self._fields, resume)
                    for item in items_of(page):
                        present.add(_uid(item))
                        yield from self._noticed(item)
                    resume = str(page["metadata"].get("continue") or "")
                    if not resume:
                        break
            except Expired:
                delay = self._patience.next_delay()
                if delay is None:
                    raise
                stop.wait(_within(delay, deadline))
                if _over(stop, deadline):
                    return
                continue
            break
        for uid in self._seen.keys() - present:
            yield WatchEvent("DELETED", self._seen.pop(uid).outline)
        self._version = str(page["metadata"].get("resourceVersion", ""))
        self._patience.answered()

    def _changes(self, stop: threading.Event, deadline: float | None) -> Iterator[WatchEvent]:
        """The changes that one watch request brings. Ends when the server ends it or ``stop`` is set; Unreachable when
        it breaks.
        """
        hangup = Hangup()
        seconds = random.randint(*_SERVER_SECONDS)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(seconds),
            "labelSelector": self._labels,
            "fieldSelector": self._fields,
        }
        request = Request(
            "GET",
            self._path,
            tuple((name, value) for name, value in query.items() if value),
            read_seconds=seconds + 30.0,
            hangup=hangup,
        )
        with _hung_up_at(stop, deadline, hangup):
            response = self._client.open_stream(request)
            self._patience.answered()
            try:
                with contextlib.closing(response):
                    for line in _lines(response):
                        yield from self._read(line)
            except (HTTPError, OSError) as broken:
                raise self._client.broken(request, broken) from None

    def _read(self, line: bytes) -> Iterator[WatchEvent]:
        kind, item = _decode(line)
        if kind == "ERROR":
            if item.get("code") == 410:
                raise Expired("The watch is too old.")
            raise ServerFault("The API server ended a watch with an error.")
        metadata = item.get("metadata")
        if not isinstance(metadata, dict):
            raise ServerFault("The API server sent an object without metadata.")
        if kind in ("ADDED", "MODIFIED"):
            yield from self._noticed(item)
        elif kind == "DELETED" and self._seen.pop(_uid(item), None) is not None:
            yield WatchEvent("DELETED", item)
        self._version = str(metadata.get("resourceVersion") or self._version)

    def _noticed(self, item: JsonObject) -> Iterator[WatchEvent]:
        uid, version = _uid(item), str(item["metadata"].get("resourceVersion", ""))
        before = self._seen.get(uid)
        if before is not None and before.version == version:
            return
        self._seen[uid] = _Seen(version, _outline(item))
        yield WatchEvent("ADDED" if before is None else "MODIFIED", item)


@contextlib.contextmanager
def _hung_up_at(stop: threading.Event, deadline: float | None, hangup: Hangup) -> Iterator[None]:
    """Inside the block ``hangup`` is called when ``stop`` is set or ``deadline`` passes, even while the block waits for
    the network.
    """
    left = threading.Event()

    def wait() -> None:
        while not left.is_set():
            if stop.wait(_within(_LOOK_SECONDS, deadline)) or _over(stop, deadline):
                hangup.hang_up()
                return

    try:
        threading.Thread(target=wait, name="watch-stop", daemon=True).start()
    except RuntimeError as error:  # would end the thread that watches, and nobody would know
        raise Unsupported(
            "A watch cannot go on.", why=f"({error})", fix="Allow this process more threads, or choose fewer nodes."
        ) from None
    try:
        yield
    finally:
        left.set()
        hangup.hang_up()


def _within(seconds: float, deadline: float | None) -> float:
    return seconds if deadline is None else max(0.0, min(seconds, deadline - time.monotonic()))


def _over(stop: threading.Event, deadline: float | None) -> bool:
    return stop.is_set() or (deadline is not None and time.monotonic() >= deadline)


def _lines(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Complete lines of a watch. What is left when the stream ends is a torn object, which comes again when the watch
    resumes.
    """
    rest = bytearray()
    for piece in response.stream(64 * 1024):
        rest += piece
        if b"\n" in piece:
            *lines, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            yield from filter(None, lines)
        if len(rest) > _OBJECT_LIMIT:
            raise ServerFault("The API server sent an object of more than 32 MiB.")


def _decode(line: bytes) -> tuple[str, JsonObject]:
    try:
        event: Any = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise ServerFault("The API server sent a watch event that is not one.")
    return str(event.get("type")), event["object"]


def _uid(item: JsonObject) -> str:
    metadata = item["metadata"]
    return str(metadata.get("uid") or f"{metadata.get('namespace', '')}/{metadata.get('name', '')}")


def _outline(item: JsonObject) -> JsonObject:
    """What is kept of each object, to report it as gone: whole objects of a large cluster would fill memory."""
    kept = {key: item["metadata"][key] for key in ("name", "namespace", "uid", "labels") if key in item["metadata"]}
    return {"apiVersion": item.get("apiVersion", ""), "kind": item.get("kind", ""), "metadata": kept}
