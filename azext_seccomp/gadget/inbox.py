# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Between many threads that read logs and the one that counts: a queue with a bound, emptied in one go."""

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """Takes items from many threads, hands them to one.

    A full inbox makes ``put`` wait: the reader's socket then fills, and the kubelet waits in its turn, so that a
    flood costs time and not memory. Taking everything at once costs one wake-up for many items, where ``queue.Queue``
    costs one each.

    :param capacity: items held at most.
    """

    def __init__(self, capacity: int = 8192) -> None:
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)
        self._closed = False

    def put(self, item: Item) -> bool:
        """Add an item, waiting while the inbox is full; False when the inbox was closed and the item was dropped."""
        with self._lock:
            while len(self._items) >= self._capacity and not self._closed:
                self._emptied.wait()
            if self._closed:
                return False
            self._items.append(item)
            if len(self._items) == 1:
                self._filled.notify()
            return True

    def take(self, timeout_seconds: float) -> deque[Item]:
        """Everything there is; waits up to ``timeout_seconds`` for a first item and may return none."""
        with self._lock:
            if not self._items and not self._closed:
                self._filled.wait(timeout_seconds)
            taken, self._items = self._items, deque()
            self._emptied.notify_all()
            return taken

    def close(self) -> None:
        """Take no more items; wakes everyone who waits."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()
            self._emptied.notify_all()
