# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Ctrl-C and the signals that end a process, for work that has to clear up after itself."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

_ENDING = tuple(
    number for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)) if number is not None
)  # SIGHUP: a closed terminal; Windows has none


class Interrupts:
    """A context in which

    - the first Ctrl-C sets ``stop``: the work ends early and still reports;
    - the second one raises KeyboardInterrupt, SIGTERM and SIGHUP raise SystemExit, once: every ``finally`` runs;
    - nothing is raised while ``shielded``, except that two more Ctrl-C break off even that.

    Outside the main thread nothing changes: Python delivers signals nowhere else.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._shields = 0
        self._presses_in_shield = 0
        self._exit_code: int | None = None
        self._raised = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._take(signal.SIGINT, self._pressed)
            for number in _ENDING:
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays nohup
                    self._take(number, self._ended)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)  # type: ignore[arg-type]
        self._before.clear()

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Work that has to come to its end; a signal that came meanwhile takes effect afterwards."""
        self._shields += 1
        self._presses_in_shield = 0
        try:
            yield
        finally:
            self._shields -= 1
        if self._exit_code is not None and not self._raised:
            self._raised = True
            raise SystemExit(self._exit_code)

    def _take(self, number: int, handler: "signal._HANDLER") -> None:
        self._before[number] = signal.signal(number, handler)

    def _pressed(self, _: int, __: FrameType | None) -> None:
        if self._shields:
            self.stop.set()
            self._presses_in_shield += 1
            if self._presses_in_shield > 1:
                raise KeyboardInterrupt
        elif not self.stop.is_set():
            self.stop.set()
        elif not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    def _ended(self, number: int, _: FrameType | None) -> None:
        self.stop.set()
        self._exit_code = 128 + number  # what a shell reports for a process that a signal ended
        if not self._shields and not self._raised:
            self._raised = True
            raise SystemExit(self._exit_code)
