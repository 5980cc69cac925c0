# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from azext_seccomp.cluster import log_stream
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.errors import InvalidInput, Unreachable
from tests.unit.cluster.scripted import Exchange, Script, Server

Serve = Callable[[Script], Server]
ClientOf = Callable[..., OfficialClient]


def follow(client: OfficialClient, since_time: str | None = None) -> log_stream.KubeLogStream:
    return client.follow_log("aks-seccomp", "collector-1", "ig", since_time=since_time)


def pieces(*data: bytes) -> Script:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        for piece in data:
            exchange.piece(piece)
        exchange.end()

    return script


def then_hold(*data: bytes) -> Script:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        for piece in data:
            exchange.piece(piece)
        exchange.hold()

    return script


def test_lines_are_whole_wherever_the_pieces_end(serve: Serve, client_of: ClientOf) -> None:
    server = serve(pieces(b"one\ntw", b"o", b"\n\nfour\n", b"last"))
    assert list(follow(client_of(server))) == [b"one", b"two", b"", b"four", b"last"]


def test_asks_for_timestamps_from_where_it_left(serve: Serve, client_of: ClientOf) -> None:
    server = serve(pieces(b"x\n"))
    list(follow(client_of(server), "2026-01-02T03:04:05Z"))
    assert server.seen[0].path == "/api/v1/namespaces/aks-seccomp/pods/collector-1/log"
    assert server.seen[0].query == {
        "container": "ig",
        "follow": "true",
        "timestamps": "true",
        "sinceTime": "2026-01-02T03:04:05Z",
    }


def test_a_line_comes_when_it_is_written(serve: Serve, client_of: ClientOf) -> None:
    stream = follow(client_of(serve(then_hold(b"first\n"))))
    lines = iter(stream)
    assert next(lines) == b"first"
    stream.close()
    assert list(lines) == []


def test_a_torn_line_is_not_handed_out(serve: Serve, client_of: ClientOf) -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(b"whole\nto")
        exchange.tear()

    lines = iter(follow(client_of(serve(script))))
    assert next(lines) == b"whole"
    with pytest.raises(Unreachable):
        next(lines)


def test_a_line_without_end_does_not_fill_memory(
    serve: Serve, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "LINE_LIMIT", 10)
    server = serve(pieces(b"0123", b"456789", b"dropped", b"dropped\nnext\n"))
    assert list(follow(client_of(server))) == [b"0123456789", b"next"]


@pytest.mark.parametrize("script", [lambda exchange: exchange.hold(), then_hold(), then_hold(b"to")])
def test_close_ends_a_read_that_waits_in_another_thread(script: Script, serve: Serve, client_of: ClientOf) -> None:
    server = serve(script)
    stream = follow(client_of(server))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: list(stream))
        while not server.seen:
            time.sleep(0.01)
        time.sleep(0.1)  # until the reader is blocked in the kernel
        assert not reading.done()
        stream.close()
        assert reading.result(20) == []


def test_close_before_reading_sends_nothing(serve: Serve, client_of: ClientOf) -> None:
    server = serve(pieces(b"x\n"))
    stream = follow(client_of(server))
    stream.close()
    assert list(stream) == []
    assert server.seen == []


def test_closing_the_client_ends_all_streams(serve: Serve, client_of: ClientOf) -> None:
    server = serve(then_hold())
    client = client_of(server)
    with ThreadPoolExecutor(8) as pool:
        reading = [pool.submit(lambda: list(follow(client))) for _ in range(8)]
        while len(server.seen) < 8:
            time.sleep(0.01)
        client.close()
        assert [stream.result(20) for stream in reading] == [[]] * 8


def test_a_stream_that_ended_leaves_other_requests_alone(serve: Serve, client_of: ClientOf) -> None:
    answered = threading.Event()

    def script(exchange: Exchange) -> None:
        if exchange.request.path.endswith("/log"):
            pieces(b"x\n")(exchange)
        else:
            assert answered.wait(5)
            exchange.json({"kind": "Pod"})

    client = client_of(serve(script))
    stream = follow(client)
    assert list(stream) == [b"x"]
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(client.get, "/api/v1/namespaces/shop/pods/web-1")
        stream.close()
        answered.set()
        assert request.result(5) == {"kind": "Pod"}


def test_a_container_that_waits_to_start_is_an_error(serve: Serve, client_of: ClientOf) -> None:
    message = 'container "ig" in pod "collector-1" is waiting to start: ContainerCreating'
    server = serve(lambda exchange: exchange.status(400, message, "BadRequest"))
    with pytest.raises(InvalidInput) as caught:
        list(follow(client_of(server)))
    assert caught.value.why == message
