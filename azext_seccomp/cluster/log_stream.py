# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The lines of one container's log, while it is written."""

from collections.abc import Callable, Iterator

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from azext_seccomp.cluster.transport import Hangup
from azext_seccomp.errors import SeccompError

# A node decides how long a line is; a program can write gigabytes without a newline. The rest of a longer line is
# dropped.
LINE_LIMIT = 1024 * 1024
_READ_BYTES = 64 * 1024


class KubeLogStream:
    """Implements ``interface.LogStream``. The request is sent when iteration starts: a server sends no header before
    the first line.

    Iteration ends when the container's log ends or ``close`` is called; a broken connection raises Unreachable, without
    a torn last line.

    :param open_stream: sends the request; the answer's body is not read yet.
    :param failure: makes the error for a connection that broke while the body was read.
    """

    def __init__(
        self,
        open_stream: Callable[[], BaseHTTPResponse],
        hangup: Hangup,
        failure: Callable[[BaseException], SeccompError],
    ) -> None:
        self._open = open_stream
        self._hangup = hangup
        self._failure = failure

    def __iter__(self) -> Iterator[bytes]:
        try:
            response = self._open()
        except SeccompError:
            if self._hangup.over:
                return
            raise
        try:
            yield from self._lines(response)
        finally:
            self._hangup.hang_up()
            response.close()

    def close(self) -> None:
        """End the iteration, also one that waits in another thread."""
        self._hangup.hang_up()

    def _lines(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        try:
            for line in lines_of(response):
                if self._hangup.over:
                    return
                yield line
        except (HTTPError, OSError) as broken:
            if not self._hangup.over:
                raise self._failure(broken) from None


def lines_of(response: BaseHTTPResponse) -> Iterator[bytes]:
    """The lines of a body as they arrive, without newline, each cut to ``LINE_LIMIT`` bytes; a last line without
    newline counts.
    """
    rest = bytearray()
    for piece in response.stream(_READ_BYTES):
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            rest += piece[start:end]
            yield bytes(rest[:LINE_LIMIT])
            rest.clear()
            start = end + 1
        if len(rest) < LINE_LIMIT:
            rest += piece[start:]
    if rest:
        yield bytes(rest[:LINE_LIMIT])
