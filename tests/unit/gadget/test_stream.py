# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A log that is resumed: no line lost, none doubled, wherever it breaks."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.errors import Forbidden, InvalidInput, NotFound, SeccompError, ServerFault, Unreachable
from azext_seccomp.gadget.stream import Backoff, LogFollower
from azext_seccomp.gadget.timestamps import nanoseconds, utc_second

AT_ONCE = Backoff(first=0.0, longest=0.0)
START = nanoseconds("2026-11-28T09:00:00Z") or 0
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Line:
    """A line of a log file, stamped in nanoseconds."""

    stamp_ns: int
    text: bytes

    def on_the_wire(self) -> bytes:
        second, fraction = divmod(self.stamp_ns, SECOND)
        return f"{utc_second(second)[:-1]}.{fraction:09d}Z ".encode() + self.text


@dataclass
class Connection:
    """One stream of the scripted server: ``upto`` lines are in the file by then; it breaks after ``sent`` of them."""

    upto: int
    sent: int
    error: SeccompError | None = None


class Stream:
    """What the server sends on one connection."""

    def __init__(self, lines: list[bytes], error: SeccompError | None) -> None:
        self._lines = lines
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from self._lines
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class Server:
    """A kubelet that reads its file from the start and leaves out lines before ``sinceTime``, in whole seconds."""

    file: list[Line]
    script: list[Connection | SeccompError] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)
    rotated: int = 0
    follower: LogFollower | None = None

    def open_log(self, since: str | None) -> Stream:
        self.asked.append(since)
        step = self.script.pop(0) if self.script else self._last()
        if isinstance(step, SeccompError):
            raise step
        first = 0 if since is None else nanoseconds(since) or 0
        lines = [line.on_the_wire() for line in self.file[self.rotated : step.upto] if line.stamp_ns >= first]
        return Stream(lines[: step.sent], step.error)

    def _last(self) -> Connection:
        assert self.follower is not None
        self.follower.container_ended()
        return Connection(len(self.file), len(self.file))


def follow(server: Server) -> list[bytes]:
    server.follower = LogFollower(server.open_log, AT_ONCE)
    return list(server.follower)


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    """Lines as two streams write them: time goes on in jumps or not at all, stamps are up to 50 ms too old."""
    now = START + draw(st.integers(0, SECOND))
    lines = []
    for _ in range(draw(st.integers(0, 40))):
        now += draw(st.sampled_from([0, 0, 1, 1000, SECOND // 3, SECOND, 5 * SECOND]))
        stamp = now - draw(st.sampled_from([0, 0, 0, 1, 50_000_000]))
        lines.append(Line(stamp, draw(st.sampled_from([b"a", b"b", b"c c", b""]))))
    return lines


@st.composite
def servers(draw: st.DrawFn) -> Server:
    """A log and the places where its streams break, cleanly or not."""
    file = draw(logs())
    upto = 0
    script: list[Connection | SeccompError] = []
    for _ in range(draw(st.integers(0, 8))):
        upto = draw(st.integers(upto, len(file)))
        error = draw(st.sampled_from([None, Unreachable("reset"), ServerFault("502")]))
        refused = draw(st.sampled_from([None, None, None, Unreachable("refused"), InvalidInput("ContainerCreating")]))
        script.append(refused or Connection(upto, draw(st.integers(0, len(file))), error))
    return Server(file, script)


class LateError:
    """A stream whose request is sent when it is read, so that its errors come then."""

    def __init__(self, server: Server, since: str | None) -> None:
        self._server = server
        self._since = since

    def __iter__(self) -> Iterator[bytes]:
        yield from self._server.open_log(self._since)

    def close(self) -> None:
        """Nothing to close."""


@given(servers())
def test_errors_that_come_with_the_first_line_are_the_same(server: Server) -> None:
    server.follower = LogFollower(lambda since: LateError(server, since), AT_ONCE)
    assert list(server.follower) == [line.text for line in server.file]
    assert server.follower.complete


@given(servers())
def test_no_line_is_lost_or_doubled_wherever_the_stream_breaks(server: Server) -> None:
    assert follow(server) == [line.text for line in server.file]
    assert server.follower is not None
    assert server.follower.complete
    assert server.follower.gaps == 0


def test_a_resumed_log_is_not_read_from_its_start() -> None:
    file = [Line(START + n * SECOND, b"%d" % n) for n in range(100)]
    server = Server(file, [Connection(100, 90, Unreachable("reset"))])
    assert len(follow(server)) == 100
    assert server.asked[0] is None
    assert server.asked[1] == "2026-11-28T09:01:28Z"  # 90 lines went to second 89; one second of slack


def test_lines_with_an_offset_are_understood() -> None:
    lines = [b"2026-11-28T10:00:0%d.5+01:00 %d" % (n, n) for n in range(4)]
    asked: list[str | None] = []

    def open_log(since: str | None) -> Stream:
        asked.append(since)
        follower.container_ended()
        return Stream(lines[:2], Unreachable("reset")) if len(asked) == 1 else Stream(lines, None)

    follower = LogFollower(open_log, AT_ONCE)
    assert list(follower) == [b"0", b"1", b"2", b"3"]
    assert asked == [None, "2026-11-28T09:00:00Z"]


def test_a_rotated_log_is_told() -> None:
    file = [Line(START + n, b"%d" % n) for n in range(10)]
    server = Server(file, [Connection(10, 4, Unreachable("reset"))])

    def after_rotation(since: str | None) -> Stream:
        server.rotated = 6 if server.asked else 0
        return server.open_log(since)

    server.follower = LogFollower(after_rotation, AT_ONCE)
    assert list(server.follower) == [b"0", b"1", b"2", b"3", b"6", b"7", b"8", b"9"]
    assert server.follower.gaps == 1


def test_a_log_that_was_rotated_away_at_its_end_is_told() -> None:
    server = Server([Line(START, b"a"), Line(START, b"b")], [Connection(2, 1, Unreachable("reset"))])

    def after_rotation(since: str | None) -> Stream:
        server.rotated = 2 if server.asked else 0
        return server.open_log(since)

    server.follower = LogFollower(after_rotation, AT_ONCE)
    assert list(server.follower) == [b"a"]
    assert server.follower.gaps == 1


def test_a_clock_that_was_set_back_is_told() -> None:
    file = [Line(START + 100 * SECOND, b"late"), Line(START, b"early"), Line(START + 1, b"earlier")]
    server = Server(file, [Connection(3, 2, Unreachable("reset"))])
    assert follow(server)[-1] == b"earlier"
    assert server.follower is not None
    assert server.follower.gaps == 1


def test_words_of_the_kubelet_about_the_stream_are_no_line_of_the_log() -> None:
    words = b"failed to create fsnotify watcher: too many open files"

    def open_log(_: str | None) -> Stream:
        follower.container_ended()
        return Stream([words], None)

    follower = LogFollower(open_log, AT_ONCE)
    assert list(follower) == []
    assert follower.trouble == words.decode()


def test_a_log_that_is_removed_with_its_container_after_it_was_read_is_whole() -> None:
    file = [Line(START, b"a")]
    words = b"unable to retrieve container logs for containerd://0123"
    opened: list[str | None] = []

    def open_log(since: str | None) -> Stream:
        opened.append(since)
        follower.container_ended()
        return Stream([file[0].on_the_wire()] if len(opened) == 1 else [words], None)

    follower = LogFollower(open_log, AT_ONCE)
    assert list(follower) == [b"a"]
    assert (follower.complete, follower.gaps) == (True, 0)


def test_a_clean_end_is_not_the_end_while_the_container_runs() -> None:
    server = Server([Line(START, b"a"), Line(START, b"b")], [Connection(1, 1), Connection(1, 1)])
    assert follow(server) == [b"a", b"b"]


def test_a_pod_that_is_gone_ends_the_log() -> None:
    server = Server([Line(START, b"a")], [Connection(1, 1), NotFound("pod")])
    assert follow(server) == [b"a"]
    assert server.follower is not None
    assert server.follower.complete


def test_a_pod_that_is_gone_after_a_break_leaves_the_log_incomplete() -> None:
    server = Server([Line(START, b"a")], [Connection(1, 1, Unreachable("reset")), NotFound("pod")])
    assert follow(server) == [b"a"]
    assert server.follower is not None
    assert not server.follower.complete
    assert server.follower.trouble == "reset"


def test_a_container_that_never_started_has_no_log() -> None:
    follower = LogFollower(Server([], [InvalidInput("waiting to start")]).open_log, AT_ONCE)
    follower.container_ended()
    assert list(follower) == []
    assert follower.complete


def test_what_waiting_does_not_heal_is_raised() -> None:
    with pytest.raises(Forbidden):
        follow(Server([], [Forbidden("pods/log")]))


class Endless:
    """A stream that sends nothing until it is closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.waited = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        self.waited.set()
        assert self.closed.wait(5)
        yield from ()

    def close(self) -> None:
        self.closed.set()


def test_closing_ends_a_silent_stream_at_once() -> None:
    stream = Endless()
    follower = LogFollower(lambda _: stream, AT_ONCE)
    thread = threading.Thread(target=lambda: list(follower))
    thread.start()
    assert stream.waited.wait(5)
    follower.close()
    thread.join(1)
    assert not thread.is_alive()
    assert not follower.complete


def test_closing_ends_the_wait_for_the_next_attempt() -> None:
    refused = threading.Event()

    def open_log(_: str | None) -> Stream:
        refused.set()
        raise Unreachable("refused")

    follower = LogFollower(open_log, Backoff(first=60, longest=60))
    thread = threading.Thread(target=lambda: list(follower))
    thread.start()
    assert refused.wait(5)
    follower.close()
    thread.join(1)
    assert not thread.is_alive()


def test_the_end_of_the_container_cuts_the_wait_short() -> None:
    opened = threading.Event()

    def open_log(_: str | None) -> Stream:
        opened.set()
        return Stream([], None)

    follower = LogFollower(open_log, Backoff(first=60, longest=60))
    thread = threading.Thread(target=lambda: list(follower))
    thread.start()
    assert opened.wait(5)
    begun = time.monotonic()
    follower.container_ended()
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - begun < 1
    assert follower.complete


@pytest.mark.parametrize(("fruitless", "longest"), [(0, 0.2), (1, 0.4), (4, 3.2), (5, 5.0), (10_000, 5.0)])
def test_the_wait_doubles_up_to_a_limit(fruitless: int, longest: float) -> None:
    assert longest / 2 <= Backoff().delay(fruitless) <= longest
