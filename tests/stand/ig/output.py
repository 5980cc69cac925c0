# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What ``ig`` writes: events on stdout, log lines on stderr, each with one unbuffered write."""

import json
import os
import re
import time
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
        _write(1, "".join(title.ljust(width) for title, width in COLUMNS).rstrip() + "\n")


def show(mode: str, event: dict[str, Any]) -> None:
    """One event in an output mode."""
    if mode == "json":
        _write(1, to_line(event) + "\n")
    elif mode == "jsonpretty":
        _write(1, json.dumps(event, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    elif mode == "columns":
        process = event["proc"]
        cells = (
            event["runtime"]["containerName"],
            process["comm"],
            process["pid"],
            process["tid"],
            event["code"],
            event["syscall"],
        )
        _write(
            1,
            "".join(
                f"{cell!s:{width - 1}.{width - 1}} " for cell, (_, width) in zip(cells, COLUMNS, strict=True)
            ).rstrip()
            + "\n",
        )


def _write(descriptor: int, text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(descriptor, data) :]
