# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from azext_seccomp._signals import orderly_end

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, time
from azext_seccomp._signals import orderly_end
with orderly_end():
    try:
        print("working", flush=True)
        time.sleep(60)
    finally:
        print("clearing up", flush=True)
        sys.stdin.read()
        print("done", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_clears_up_before_it_ends_even_when_it_is_told_again(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        assert process.stdout.readline() == "clearing up\n"
        process.send_signal(number)
        process.stdin.close()
        assert process.stdout.read() == "done\n"
        assert process.wait(20) == 128 + number
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_handlers_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with orderly_end():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(SystemExit), orderly_end():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with orderly_end():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_does_nothing_in_another_thread() -> None:
    before = signal.getsignal(signal.SIGTERM)
    within: list[object] = []

    def work() -> None:
        with orderly_end():
            within.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert within == [before]
