# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""How notifications are answered."""

import errno
import os

import pytest

from azext_seccomp.local import kernel
from azext_seccomp.local.kernel import Listener, Notification

WAITING = Notification(1, 2, 3, "amd64", (0,) * 6)


def answer(monkeypatch: pytest.MonkeyPatch, *errors: int) -> int:
    """How many times the answer was sent to a kernel that first says ``errors``."""
    listener, left, asked = Listener(0), list(errors), []

    def ioctl(*_: object) -> None:
        asked.append(True)
        if left:
            raise OSError(code := left.pop(0), os.strerror(code))

    monkeypatch.setattr(kernel.fcntl, "ioctl", ioctl)
    listener.let_through(WAITING)
    return len(asked)


def test_an_answer_that_a_signal_interrupts_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(monkeypatch, errno.EINTR, errno.EINTR) == 3


@pytest.mark.parametrize("gone", [errno.ENOENT, errno.EINPROGRESS])
def test_an_answer_to_a_caller_that_is_gone(monkeypatch: pytest.MonkeyPatch, gone: int) -> None:
    assert answer(monkeypatch, gone) == 1


def test_any_other_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        answer(monkeypatch, errno.EINVAL)
