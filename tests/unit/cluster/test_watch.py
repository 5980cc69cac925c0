# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A watch against a server that breaks, forgets, repeats and goes away."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest

from azext_seccomp.cluster import failures, retry
from azext_seccomp.cluster.interface import PODS, WatchEvent
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.retry import Patience
from azext_seccomp.cluster.watch import Watch
from azext_seccomp.errors import Forbidden, ServerFault, Unreachable, Unsupported
from tests.unit.cluster.scripted import Exchange, Script, Server

Serve = Callable[[Script], Server]
ClientOf = Callable[..., OfficialClient]
PATH = PODS.path("shop")


def pod(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}}


class Collection:
    """Answers lists and watches in the order of its scripts; after the last of a kind the watch stays silent."""

    def __init__(self, lists: list[Script], watches: list[Script]) -> None:
        self.lists = lists
        self.watches = watches
        self.versions: list[str] = []

    def __call__(self, exchange: Exchange) -> None:
        if exchange.request.query.get("watch") != "true":
            self.lists.pop(0)(exchange)
            return
        self.versions.append(exchange.request.query["resourceVersion"])
        (self.watches.pop(0) if self.watches else lambda silent: silent.hold())(exchange)


def listing(version: int, *items: dict[str, Any], resume: str = "") -> Script:
    metadata = {"resourceVersion": str(version), "continue": resume}
    return lambda exchange: exchange.json({"kind": "PodList", "metadata": metadata, "items": list(items)})


def changes(*events: tuple[str, dict[str, Any]], end: str = "end") -> Script:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        for kind, item in events:
            exchange.event(kind, item)
        if end == "torn":
            exchange.piece(b'{"type": "ADDED", "object": {"metadata": {"na')
        exchange.end() if end == "end" else exchange.tear()

    return script


EXPIRED = ("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})


def take(events: Any, count: int) -> list[tuple[str, str]]:
    return [(event.type, event.object["metadata"]["name"]) for event in islice(events, count)]


def watch(client: OfficialClient, seconds: float = 10) -> Any:
    return client.watch(PATH, labels="a=b", stop=threading.Event(), timeout_seconds=seconds)


pytestmark = pytest.mark.usefixtures("hurried")


@pytest.mark.parametrize("end", ["end", "reset", "torn"])
def test_goes_on_after_a_break_from_the_last_version_seen(end: str, serve: Serve, client_of: ClientOf) -> None:
    collection = Collection(
        [listing(5, pod("a", 3))],
        [
            changes(("ADDED", pod("b", 6)), ("MODIFIED", pod("a", 7)), end=end),
            changes(("ADDED", pod("c", 8)), ("DELETED", pod("b", 9))),
        ],
    )
    found = take(watch(client_of(serve(collection))), 5)
    assert found == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("ADDED", "c"), ("DELETED", "b")]
    assert collection.versions[:2] == ["5", "7"]


def test_a_bookmark_moves_the_version_and_is_not_reported(serve: Serve, client_of: ClientOf) -> None:
    bookmark = ("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "99"}})
    collection = Collection([listing(5)], [changes(bookmark), changes(("ADDED", pod("a", 100)))])
    assert take(watch(client_of(serve(collection))), 1) == [("ADDED", "a")]
    assert collection.versions == ["5", "99"]


def test_what_is_sent_again_is_not_reported_again(serve: Serve, client_of: ClientOf) -> None:
    collection = Collection([listing(5, pod("a", 3))], [changes(("ADDED", pod("a", 3)), ("MODIFIED", pod("a", 6)))])
    assert take(watch(client_of(serve(collection))), 2) == [("ADDED", "a"), ("MODIFIED", "a")]


def test_after_a_forgotten_version_the_difference_is_reported(serve: Serve, client_of: ClientOf) -> None:
    collection = Collection(
        [
            listing(5, pod("same", 1), pod("changed", 2), pod("gone", 3), pod("replaced", 4, uid="old")),
            listing(20, pod("same", 1), pod("changed", 12), pod("new", 13), pod("replaced", 14, uid="new")),
        ],
        [changes(EXPIRED)],
    )
    events: list[WatchEvent] = list(islice(watch(client_of(serve(collection))), 9))
    found = [(event.type, event.object["metadata"]["name"]) for event in events[4:]]
    assert found[:3] == [("MODIFIED", "changed"), ("ADDED", "new"), ("ADDED", "replaced")]
    assert sorted(found[3:]) == [("DELETED", "gone"), ("DELETED", "replaced")]
    assert {event.object["metadata"]["uid"] for event in events if event.type == "DELETED"} == {"uid-gone", "old"}


def test_an_expired_answer_to_the_watch_itself_lists_again(serve: Serve, client_of: ClientOf) -> None:
    collection = Collection(
        [listing(5, pod("a", 1)), listing(9, pod("b", 8))], [lambda exchange: exchange.status(410, "gone")]
    )
    assert take(watch(client_of(serve(collection))), 3) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_a_list_that_expires_half_way_is_begun_again(serve: Serve, client_of: ClientOf) -> None:
    collection = Collection(
        [
            listing(5, pod("a", 1), resume="t"),
            lambda exchange: exchange.status(410, "expired"),
            listing(9, pod("a", 1), pod("b", 8)),
        ],
        [],
    )
    assert take(watch(client_of(serve(collection)), seconds=0.5), 3) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_list_that_expires_again_and_again_is_asked_for_ever_more_seldom(
    serve: Serve, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def delay_before(attempt: int, asked_for: float | None = None) -> float:
        attempts.append(attempt)
        return 0.01

    monkeypatch.setattr(retry, "delay_before", delay_before)
    lists: list[Script] = [listing(5, resume="t")]
    lists += [lambda exchange: exchange.status(410, "expired"), listing(5, resume="t")] * 9
    collection = Collection([*lists, lambda exchange: exchange.status(410, "expired"), listing(9, pod("a", 8))], [])
    assert take(watch(client_of(serve(collection)), seconds=5), 1) == [("ADDED", "a")]
    assert attempts == [1, 2, 3, 4, 5, 6, 7, 7, 7, 7]


def test_a_list_that_only_ever_expires_ends_the_watch(serve: Serve, client_of: ClientOf) -> None:
    class Expiring:
        def __call__(self, exchange: Exchange) -> None:
            (
                exchange.status(410, "expired")
                if "continue" in exchange.request.query
                else listing(5, resume="t")(exchange)
            )

    client = client_of(serve(Expiring()))
    with pytest.raises(failures.Expired):
        list(Watch(client, PATH, patience=Patience(0.1)).events(threading.Event(), 10))
    started = time.monotonic()
    assert list(Watch(client, PATH).events(threading.Event(), 0.3)) == []
    assert time.monotonic() - started < 5


def test_survives_a_server_that_is_away_for_a_while(serve: Serve, client_of: ClientOf) -> None:
    away: Script = lambda exchange: exchange.status(503, "shutting down")  # noqa: E731
    torn: Script = lambda exchange: exchange.tear()  # noqa: E731
    collection = Collection([listing(5)], [away, torn, away, torn, changes(("ADDED", pod("a", 6)))])
    assert take(watch(client_of(serve(collection))), 1) == [("ADDED", "a")]


def test_gives_up_on_a_server_that_stays_away(serve: Serve, client_of: ClientOf) -> None:
    client = client_of(serve(Collection([listing(5)], [lambda exchange: exchange.status(500, "broken")] * 50)))
    with pytest.raises(ServerFault):
        list(Watch(client, PATH, patience=Patience(0.1)).events(threading.Event(), 10))


def test_a_permission_that_is_lost_is_raised_at_once(serve: Serve, client_of: ClientOf) -> None:
    collection = Collection([listing(5)], [lambda exchange: exchange.status(403, "no longer", "Forbidden")])
    with pytest.raises(Forbidden):
        list(watch(client_of(serve(collection))))


def test_the_first_list_is_not_tried_for_minutes(serve: Serve, client_of: ClientOf) -> None:
    with pytest.raises(Unreachable):
        list(watch(client_of(serve(Collection([lambda exchange: exchange.tear()], [])))))


@pytest.mark.parametrize("nonsense", [b"not json\n", b'{"type":"ADDED"}\n', b'{"type":"ADDED","object":{}}\n'])
def test_nonsense_on_the_wire_is_a_break_like_another(nonsense: bytes, serve: Serve, client_of: ClientOf) -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(nonsense)
        exchange.end()

    collection = Collection([listing(5)], [script, changes(("ADDED", pod("a", 6)))])
    assert take(watch(client_of(serve(collection))), 1) == [("ADDED", "a")]


def test_stop_ends_a_silent_watch_soon(serve: Serve, client_of: ClientOf) -> None:
    stop = threading.Event()
    collection = Collection([listing(5)], [])
    client = client_of(serve(collection))
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(lambda: list(client.watch(PATH, stop=stop)))
        while not collection.versions:
            time.sleep(0.01)
        stop.set()
        assert watching.result(20) == []


def test_closing_the_client_ends_a_watch(serve: Serve, client_of: ClientOf) -> None:
    collection = Collection([listing(5)], [])
    client = client_of(serve(collection))
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(lambda: list(client.watch(PATH, stop=threading.Event())))
        while not collection.versions:
            time.sleep(0.01)
        client.close()
        with pytest.raises(Unreachable, match="closed"):
            watching.result(20)


def test_a_quiet_watch_that_is_cut_again_and_again_is_no_failure(serve: Serve, client_of: ClientOf) -> None:
    cuts = [changes(end="reset")] * 30
    client = client_of(serve(Collection([listing(5)], [*cuts, changes(("ADDED", pod("a", 6)))])))
    events = Watch(client, PATH, patience=Patience(0.1)).events(threading.Event(), 20)
    assert take(events, 1) == [("ADDED", "a")]


def test_a_silent_watch_ends_with_its_time(serve: Serve, client_of: ClientOf) -> None:
    started = time.monotonic()
    assert list(watch(client_of(serve(Collection([listing(5)], []))), seconds=0.3)) == []
    assert 0.3 <= time.monotonic() - started < 10


def test_leaving_the_iteration_leaves_no_thread(serve: Serve, client_of: ClientOf) -> None:
    client = client_of(serve(Collection([listing(5)], [changes(("ADDED", pod("a", 6)))])))
    events = watch(client)
    assert next(events).type == "ADDED"
    events.close()
    deadline = time.monotonic() + 20
    while any(thread.name == "watch-stop" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_lack_of_threads_is_an_error_of_ours(
    serve: Serve, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(serve(Collection([listing(5)], [])))
    started = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "watch-stop":
            raise RuntimeError("can't start new thread")
        started(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(Unsupported, match="can't start new thread"):
        list(watch(client))
