# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Requests to the API server, over connections that are kept: one per thread."""

import http.client
import json
import queue
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..layout import Layout
from ..shell import StandError

THREADS = 16
ATTEMPTS = 6
TOO_MANY_REQUESTS = 429


class Api:
    """The API server, as the cluster's administrator; safe to use from several threads."""

    def __init__(self, layout: Layout) -> None:
        self._port = layout.secure_port
        self._context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        self._context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
        self._local = threading.local()

    def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer.

        :raises StandError: no answer after several attempts.
        """
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        for attempt in range(ATTEMPTS):
            connection = self._connection()
            try:
                connection.request(method, path, data, headers)
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
            else:
                if answer.status != TOO_MANY_REQUESTS:
                    return answer.status, json.loads(text) if text else {}
            time.sleep(0.1 * 2**attempt)
        raise StandError(f"no answer to {method} {path}")

    def watch(self, path: str) -> Iterator[dict[str, Any]]:
        """Changes of a collection, as the API server sends them, until it ends the watch."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=3600)
        try:
            connection.request("GET", path)
            for line in connection.getresponse():
                yield json.loads(line)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPSConnection:
        connection: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=60)
            self._local.connection = connection
        return connection


class Workers:
    """Threads that carry out requests. The first error ends the work: ``raise_first`` tells it."""

    def __init__(self, threads: int = THREADS) -> None:
        self._work: queue.Queue[Callable[[], None]] = queue.Queue()
        self._errors: queue.SimpleQueue[StandError] = queue.SimpleQueue()
        for _ in range(threads):
            threading.Thread(target=self._run, daemon=True).start()

    def submit(self, task: Callable[[], None]) -> None:
        self._work.put(task)

    def wait(self) -> None:
        """Wait until everything submitted is done."""
        self._work.join()

    def raise_first(self) -> None:
        """:raises StandError: the first task that failed."""
        if not self._errors.empty():
            raise self._errors.get()

    def _run(self) -> None:
        while True:
            task = self._work.get()
            try:
                task()
            except StandError as error:
                self._errors.put(error)
            finally:
                self._work.task_done()
