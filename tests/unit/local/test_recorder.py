# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Counting of denied calls."""

from azext_seccomp.local.kernel import Notification
from azext_seccomp.local.recorder import MOST_DIFFERENT, Denied, Recorder
from azext_seccomp.profile.evaluate import Decision
from azext_seccomp.profile.explain import arguments_in_words
from azext_seccomp.profile.model import Action

REFUSED = Decision(Action.ERRNO, 1)


def call(*args: int) -> Notification:
    return Notification(1, 2, 3, "amd64", (*args, *[0] * (6 - len(args))))


def test_calls_are_told_apart_by_what_their_arguments_mean() -> None:
    recorder = Recorder(arguments_in_words, clock=iter([1.0, 2.0, 3.0]).__next__)
    for flags in (0x10000000, 0x10000000, 0x20000000):
        recorder.add("runner", "unshare", call(flags), REFUSED)
    found = {one.detail: (tally.count, tally.first, tally.last) for one, tally in recorder.denied.items()}
    assert found == {"CLONE_NEWUSER": (2, 1.0, 2.0), "CLONE_NEWPID": (1, 3.0, 3.0)}


def test_the_start_of_the_command_is_kept_apart() -> None:
    recorder = Recorder(lambda *_: "")
    recorder.add("mark", "execve", call(), REFUSED, starting=True)
    recorder.add("mark", "mmap", call(), REFUSED, starting=True)
    recorder.add("program", "execve", call(), REFUSED)
    assert [one.syscall for one in recorder.startup] == ["execve"]
    assert list(recorder.denied) == [Denied("program", "execve", "amd64", REFUSED, "")]


def test_memory_is_bounded_and_nothing_is_forgotten() -> None:
    """A process may take a new name for every call."""
    recorder = Recorder(lambda *_: "")
    for number in range(MOST_DIFFERENT + 50):
        recorder.add(str(number), "mount", call(), REFUSED)
    recorder.add("0", "mount", call(), REFUSED)
    assert len(recorder.denied) == MOST_DIFFERENT
    assert recorder.uncounted == 50
    assert recorder.denied[Denied("0", "mount", "amd64", REFUSED, "")].count == 2
