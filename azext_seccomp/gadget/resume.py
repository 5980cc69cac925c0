# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Which lines of a log were delivered already, so that a broken stream can be resumed without losing or doubling one.

What a kubelet does (``pkg/kubelet/kuberuntime/logs/logs.go``): it reads the log file from its start, leaves out every
line whose timestamp is before ``sinceTime``, and sends the rest in the order of the file. Three things make resuming
more than "after the last timestamp":

- ``sinceTime`` reaches the kubelet in whole seconds, so the lines of the last second come again;
- stdout and stderr are stamped before they are written, so neighbours in the file may be out of order, and a line
  that is still to come may be stamped slightly earlier than one that was delivered;
- after a rotation only the current file is read, so lines may be missing for good.

Hence one second of slack, and a count of every line delivered in the window from there: what comes again is
recognised by its whole text, timestamp included, and counted down.
"""

import re

from azext_seccomp.gadget.timestamps import epoch_second, utc_second

SLACK_SECONDS = 1

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_FIXED_LENGTH = len("2026-11-28T09:00:00.000000000Z")


class ResumeWindow:
    """Memory of the newest delivered lines of one log: those of about three seconds, as hashes."""

    def __init__(self) -> None:
        self._delivered: dict[int, dict[int, int]] = {}  # second → hash of line → how often
        self._expected: dict[int, int] = {}  # hash of line → how often it has to come again after a resume
        self._newest = 0
        self._last = 0
        self._last_stamp = b""
        self._last_second = 0
        self.words = b""
        """What the kubelet said last about the stream itself."""
        self.lines = 0
        """Lines of the log that were delivered."""
        self.gaps = 0
        """How often lines may be lost for good: the log was rotated or the node's clock set back around a resume."""

    def resume(self) -> str | None:
        """Get ready for a new stream; returns its ``sinceTime``, None for the whole log."""
        self._expected = {}
        if not self._last:
            return None
        since = min(self._newest, self._last) - SLACK_SECONDS
        if self._last < self._newest - SLACK_SECONDS:
            self.gaps += 1
            self._newest = self._last
        for second, lines in self._delivered.items():
            if second >= since:
                for line, count in lines.items():
                    self._expected[line] = self._expected.get(line, 0) + count
        return utc_second(since)

    def admit(self, line: bytes) -> bytes | None:
        """The line without its timestamp; None when it was delivered before or is no line of the log.

        A line without a timestamp is the kubelet's own word about the stream (``unable to retrieve container logs``).
        """
        stamp, _, text = line.partition(b" ")
        second = self._second(stamp)
        if second is None:
            self.words = line
            return None
        identity = hash(line)
        if self._expected:
            if self._came_again(identity):
                return None
            self._note_missing()
        lines = self._delivered.get(second)
        if lines is None:
            lines = self._begin(second)
        lines[identity] = lines.get(identity, 0) + 1
        self._last = second
        self.lines += 1
        return text

    @property
    def everything_came_again(self) -> bool:
        """Whether all lines that had to come again since ``resume`` did."""
        return not self._expected

    def _came_again(self, identity: int) -> bool:
        count = self._expected.get(identity, 0)
        if count > 1:
            self._expected[identity] = count - 1
        elif count:
            del self._expected[identity]
        return count > 0

    def _note_missing(self) -> None:
        """Some delivered lines are gone from the log: they would come first, as the order is that of the file."""
        self.gaps += 1
        for lines in self._delivered.values():
            for line in self._expected.keys() & lines.keys():
                del lines[line]
        self._expected = {}

    def _begin(self, second: int) -> dict[int, int]:
        if second > self._newest:
            self._newest = second
            # Twice the slack: the last line, from which a resume counts, may itself be older than the newest.
            for old in [known for known in self._delivered if known < second - 2 * SLACK_SECONDS]:
                del self._delivered[old]
        return self._delivered.setdefault(second, {})

    def _second(self, stamp: bytes) -> int | None:
        if len(stamp) == _FIXED_LENGTH and stamp.endswith(b"Z") and stamp[:19] == self._last_stamp:
            return self._last_second
        match = _STAMP.fullmatch(stamp)
        if match is None:
            return None
        second = epoch_second(match.group(1).decode(), match.group(2).decode())
        if second is not None and match.group(2) == b"Z":
            self._last_stamp, self._last_second = match.group(1), second
        return second
