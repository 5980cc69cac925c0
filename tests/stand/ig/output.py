# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What ``ig`` writes: events on stdout, log lines on stderr, each with one unbuffered write."""

import json
import os
import re
import time
from queue import SimpleQueue
from threading import Thread
from typing import Any

from .event import to_line

UNQUOTED = re.compile(r"[A-Za-z0-9\-._/@^+]+")
COLUMNS = (("RUNTIME.CONTAINERNAME", 30), ("COMM", 16), ("PID", 10), ("TID", 10), ("CODE", 24), ("SYSCALL", 20))


def log(level: str, message: str) -> None:
    """A line in the form of logrus' text formatter without a terminal; a text of plain characters is not quoted."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    shown = message if UNQUOTED.fullmatch(message) else json.dumps(message, ensure_ascii=False)
    _write(2, f'time="{now}" level={level} msg={shown}\n')


def error(message: str) -> None:
    """The line that cobra prints before exit code 1."""
    _write(2, f"Error: {message}\n")


def header(mode: str) -> None:
    """What is printed before the first event."""
    if mode == "columns":
        _row(*(title for title, _ in COLUMNS))


def show(mode: str, event: dict[str, Any]) -> None:
    """One event in an output mode."""
    if mode == "json":
        _write(1, to_line(event) + "\n")
    elif mode == "jsonpretty":
        _write(1, json.dumps(event, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    elif mode == "columns":
        process = event["proc"]
        ids = (process["comm"], process["pid"], process["tid"])
        _row(event["runtime"]["containerName"], *ids, event["code"], event["syscall"])


def _row(*cells: object) -> None:
    """A line of a table; a text too long for its column is cut."""
    texts = (f"{cell!s:{width - 1}.{width - 1}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True))
    _write(1, " ".join(texts).rstrip() + "\n")


class Writer:
    """Writes events in the background, so that a slow reader of the output does not keep anybody from the kernel's
    records.
    """

    def __init__(self, mode: str) -> None:
        """:param mode: output mode, as ``-o`` names it."""
        self._mode = mode
        self._events: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, event: dict[str, Any]) -> None:
        """Write an event, some time."""
        self._events.put(event)

    def close(self) -> None:
        """Wait until all events are written."""
        self._events.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (event := self._events.get()) is not None:
            show(self._mode, event)


def _write(descriptor: int, text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(descriptor, data) :]
