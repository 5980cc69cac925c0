# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Signs of life of a session in its journal, for whoever wonders whether it is still running."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from azext_seccomp.audit import journal
from azext_seccomp.cluster.interface import Kube
from azext_seccomp.errors import NotFound, SeccompError

RENEW_SECONDS = 5.0
LEASE_SECONDS = 20.0
"""A journal that nobody renews for so long is that of a run that was killed."""


@contextmanager
def heartbeat(
    kube: Kube, session: str, lost: Callable[[], None], every_seconds: float = RENEW_SECONDS
) -> Iterator[None]:
    """Renew the journal for as long as the block lasts. A renewal that fails is made up for by the next one.

    :param lost: called, in a thread, when the journal is not there (any more): somebody has taken the session for dead.
    """
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(every_seconds):
            try:
                journal.renew(kube, session)
            except NotFound:
                lost()
            except SeccompError:
                continue

    thread = threading.Thread(target=beat, name="seccomp-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(every_seconds)
