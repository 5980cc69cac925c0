# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One collector's log, line by line, to its very end, whatever happens to the connection in between."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from azext_seccomp.cluster.interface import LogStream
from azext_seccomp.errors import InvalidInput, NotFound, ServerFault, Unreachable
from azext_seccomp.gadget.resume import ResumeWindow

OpenLog = Callable[[str | None], LogStream]
"""Opens the log from a ``sinceTime`` on, None for all of it. Errors of ``Kube.follow_log`` may also come later, when
the stream is read."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds between two attempts to open a log: from ``first``, doubled up to ``longest``, each shortened at random
    by up to a half.

    Without the chance, a thousand logs that break together would all come back in the same instant.
    """

    first: float = 0.2
    longest: float = 5.0

    def delay(self, fruitless: int) -> float:
        """Seconds to wait after so many attempts in a row that brought nothing new (0 or more)."""
        return min(self.longest, self.first * 2.0 ** min(fruitless, 30)) * random.uniform(0.5, 1.0)


class LogFollower:
    """Follows one container's log. Iterate once, in one thread; the other methods are for other threads.

    A stream ends alike when the container ended and when something between here and the node gave up. So the end of a
    stream counts as the end of the log only if the container was known to have ended before that stream was opened.
    """

    def __init__(self, open_log: OpenLog, backoff: Backoff | None = None) -> None:
        self._open_log = open_log
        self._backoff = backoff or Backoff()
        self._window = ResumeWindow()
        self._changed = threading.Condition()
        self._stream: LogStream | None = None
        self._container_ended = False
        self._closed = False
        self._vanished = False
        self.complete = False
        """Whether the log was read to its end; settled when the iteration is over."""
        self.trouble = ""
        """Why the log could not be read the last time that it could not."""

    @property
    def gaps(self) -> int:
        """How often lines may be missing because the node had thrown them away before they were read."""
        return self._window.gaps + self._vanished

    def container_ended(self) -> None:
        """Say that the container ended or that its pod is gone: the log will not grow any more."""
        with self._changed:
            self._container_ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """End the iteration now."""
        with self._changed:
            self._closed = True
            stream = self._stream
            self._changed.notify_all()
        if stream is not None:
            stream.close()

    def __iter__(self) -> Iterator[bytes]:
        """Each line once, without its timestamp.

        :raises SeccompError: what will not heal by waiting: Forbidden, Unauthenticated.
        """
        fruitless = 0
        whole = False  # whether the end of the log was seen with nothing missing before it
        while not self._closed:
            last_round = self._container_ended
            before = self._window.lines
            ended_well = False
            try:
                yield from self._read(self._open_log(self._window.resume()))
                ended_well = not self._closed
            except NotFound:  # the pod is gone, and its log with it
                self.complete = whole
                return
            except InvalidInput as error:  # the container has not started; once it has ended, it never had a log
                self.trouble = str(error)
                ended_well = last_round
            except (Unreachable, ServerFault) as error:
                self.trouble = str(error)
            brought = self._window.lines > before
            if ended_well and self._window.everything_came_again:
                whole = True
            elif brought:
                whole = False
            if last_round and ended_well:
                self.complete = True
                self._vanished = not whole
                return
            fruitless = 0 if brought else fruitless
            self._wait(self._backoff.delay(fruitless), last_round)
            fruitless += 1

    def _read(self, stream: LogStream) -> Iterator[bytes]:
        """The new lines of one stream."""
        if not self._keep(stream):
            return
        try:
            for line in stream:
                text = self._window.admit(line)
                if text is not None:
                    yield text
        finally:
            self._forget(stream)
            self.trouble = self._window.words.decode("utf-8", "replace") or self.trouble

    def _keep(self, stream: LogStream) -> bool:
        """Make the stream known to ``close``; False when that was called meanwhile."""
        with self._changed:
            self._stream = stream
            closed = self._closed
        if closed:
            self._forget(stream)
        return not closed

    def _forget(self, stream: LogStream) -> None:
        with self._changed:
            self._stream = None
        stream.close()

    def _wait(self, seconds: float, last_round: bool) -> None:
        """Wait before the next attempt, but not longer than until something changed that makes it worth while."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._container_ended > last_round, seconds)
