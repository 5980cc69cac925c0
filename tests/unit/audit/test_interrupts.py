# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Signals, sent to this process."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from azext_seccomp.audit.interrupts import Interrupts


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with Interrupts() as made:
        yield made
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    for _ in range(1000):
        pass  # Python handles signals between two instructions


def test_the_first_ctrl_c_asks_for_an_early_end_and_the_second_raises(interrupts: Interrupts) -> None:
    send(signal.SIGINT)
    assert interrupts.stop.is_set()
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)
    send(signal.SIGINT)  # whoever clears up now is not disturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_that_end_a_process_raise_once(interrupts: Interrupts, number: signal.Signals) -> None:
    with pytest.raises(SystemExit) as ended:
        send(number)
    assert ended.value.code == 128 + number
    send(number)
    send(signal.SIGINT)


def test_behind_a_shield_a_signal_waits_for_its_end(interrupts: Interrupts) -> None:
    done = False
    with pytest.raises(SystemExit) as ended, interrupts.shielded():
        send(signal.SIGTERM)
        send(signal.SIGINT)
        done = True
    assert (done, ended.value.code) == (True, 143)


def test_two_more_ctrl_c_break_even_a_shield(interrupts: Interrupts) -> None:
    send(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupts.shielded():
        send(signal.SIGINT)
        send(signal.SIGINT)
        raise AssertionError("still here")


def test_one_ctrl_c_behind_a_shield_only_asks_for_the_end(interrupts: Interrupts) -> None:
    with interrupts.shielded():
        send(signal.SIGINT)
    assert interrupts.stop.is_set()


def test_another_thread_has_no_signals() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
