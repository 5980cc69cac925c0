# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The queue between many readers and one counter."""

import threading

from azext_seccomp.gadget.inbox import Inbox


def test_everything_that_was_put_is_taken_in_order() -> None:
    inbox: Inbox[int] = Inbox()
    for number in range(5):
        assert inbox.put(number)
    assert list(inbox.take(0)) == [0, 1, 2, 3, 4]
    assert not inbox.take(0)


def test_a_full_inbox_makes_the_writer_wait_until_it_is_emptied() -> None:
    inbox: Inbox[int] = Inbox(capacity=2)
    inbox.put(1)
    inbox.put(2)
    done = threading.Event()
    writer = threading.Thread(target=lambda: (inbox.put(3), done.set()))
    writer.start()
    assert not done.wait(0.1)
    assert list(inbox.take(0)) == [1, 2]
    assert done.wait(5)
    assert list(inbox.take(5)) == [3]
    writer.join()


def test_closing_frees_a_waiting_writer_and_takes_nothing_more() -> None:
    inbox: Inbox[int] = Inbox(capacity=1)
    inbox.put(1)
    answers: list[bool] = []
    writer = threading.Thread(target=lambda: answers.append(inbox.put(2)))
    writer.start()
    inbox.close()
    writer.join(5)
    assert answers == [False]
    assert list(inbox.take(0)) == [1]


def test_many_writers_lose_nothing() -> None:
    inbox: Inbox[int] = Inbox(capacity=7)
    writers = [threading.Thread(target=lambda: [inbox.put(1) for _ in range(500)]) for _ in range(8)]
    for writer in writers:
        writer.start()
    taken = 0
    while taken < 4000:
        got = inbox.take(5)
        assert 0 < len(got) <= 7
        taken += len(got)
    for writer in writers:
        writer.join()
    assert not inbox.take(0)
