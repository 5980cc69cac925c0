# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Ends of this process that still let it take away what it made."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def orderly_end() -> Iterator[None]:
    """Within it SIGTERM and SIGHUP (a closed terminal) raise ``SystemExit`` instead of ending the process at once.

    So every ``finally`` runs, as for Ctrl-C. From the first signal on further ones are ignored: the work that is left
    is the clearing up. Outside the main thread nothing changes, Python delivers signals nowhere else.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = [number for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)) if number is not None]

    def end(number: int, _: FrameType | None) -> NoReturn:
        for one in ending:
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(128 + number)  # what a shell reports for a process that a signal ended

    before = {one: signal.getsignal(one) for one in ending}
    for one in ending:
        if before[one] != signal.SIG_IGN:  # nohup stays nohup
            signal.signal(one, end)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler if handler is not None else signal.SIG_DFL)
