# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""One installer pod on each node: started at once, answered through one watch, deleted in every case."""

import queue
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

from azext_seccomp.cluster.interface import CONFIG_MAPS, JsonObject, Kube
from azext_seccomp.cluster.namespace import NAMESPACE, while_it_lasts
from azext_seccomp.cluster.pods import PodState, create_all, remove_session, watch_pods
from azext_seccomp.cluster.preflight import refused_pools
from azext_seccomp.errors import SeccompError
from azext_seccomp.node.answer import Answer, read_answer, read_log
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.manifest import CONTAINER, ROLE, Job, config_maps, installer_pod, pod_name
from azext_seccomp.progress import Progress

_PARALLEL_LOGS = 8
_LOG_SECONDS = 30.0  # of a container that has ended; what sends it is a node, which may do as it likes
_TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: for all answers, and for a kubelet that keeps failing to start a pod."""

    answers: float = 150.0
    trouble: float = 15.0


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """What a node's installer answered; when it did not, ``failure`` says why."""

    node: Node
    answer: Answer | None
    failure: str = ""


def run_installers(
    kube: Kube,
    job: Job,
    nodes: Sequence[Node],
    *,
    progress: Progress,
    step: str,
    stop: threading.Event | None = None,
    patience: Patience | None = None,
) -> list[NodeAnswer]:
    """Run a job on every node and take all its objects away again. A node that fails is data and does not stop the
    others.

    :param step: what ``progress`` is told is being done.
    :param stop: ends the waiting early; nodes that have not answered by then have failed.
    :raises SeccompError: nothing can be created on any node, or the server cannot be talked to.
    """
    maps = config_maps(job)
    pods = {pod_name(job, index): node for index, node in enumerate(nodes)}
    manifests = {name: installer_pod(job, node, name, maps) for name, node in pods.items()}
    first_of_pool: dict[str, JsonObject] = {}
    for name, node in pods.items():
        first_of_pool.setdefault(node.pool, manifests[name])
    refused = while_it_lasts(kube, lambda: refused_pools(kube, first_of_pool))
    run = _Run(kube, job, pods, patience or Patience())
    for name, node in pods.items():
        if node.pool in refused:
            run.fail(name, str(refused[node.pool]))
    with _removed_at_the_end(kube, job.session):
        for one in maps:
            while_it_lasts(kube, partial(kube.create, CONFIG_MAPS.path(NAMESPACE), one))
        run.start([manifests[name] for name in run.undecided])
        run.wait(progress, step, stop or threading.Event())
        return run.answers()


class _Run:
    """The pods of one job: a thread watches them, the caller's decides on each from what it sees."""

    def __init__(self, kube: Kube, job: Job, pods: dict[str, Node], patience: Patience) -> None:
        self._kube = kube
        self._job = job
        self._pods = pods
        self._patience = patience
        self._failures: dict[str, str] = {}
        self._states: dict[str, PodState] = {}
        self._trouble_since: dict[str, float] = {}
        self._inbox: queue.SimpleQueue[tuple[str, PodState] | SeccompError] = queue.SimpleQueue()
        self._ended = threading.Event()
        self.undecided = set(pods)

    def fail(self, pod: str, reason: str) -> None:
        self._failures[pod] = reason
        self.undecided.discard(pod)

    def start(self, manifests: Sequence[JsonObject]) -> None:
        threading.Thread(target=self._watch, name="seccomp-installers", daemon=True).start()
        for pod, error in create_all(self._kube, manifests).items():
            self.fail(pod, str(error))

    def wait(self, progress: Progress, step: str, stop: threading.Event) -> None:
        deadline = time.monotonic() + self._patience.answers
        try:
            while self.undecided and not stop.is_set() and time.monotonic() < deadline:
                progress.step(step, len(self._pods) - len(self.undecided), len(self._pods))
                self._take(_TICK_SECONDS)
                self._give_up_on_the_troubled()
            progress.step(step, len(self._pods) - len(self.undecided), len(self._pods))
        finally:
            self._ended.set()
        for pod in list(self.undecided):
            waiting = self._states.get(pod, PodState("waiting")).why() or "the node's kubelet has not taken it up"
            self.fail(pod, f"no answer of the installer: {waiting}")

    def answers(self) -> list[NodeAnswer]:
        """In the order of the nodes. The few answers that are too long for a termination message are read from the
        logs.
        """
        with ThreadPoolExecutor(_PARALLEL_LOGS, "seccomp-log") as pool:
            return list(pool.map(self._answer, self._pods))

    def _watch(self) -> None:
        """In a thread."""
        try:
            for change in watch_pods(self._kube, self._job.session, ROLE, stop=self._ended):
                self._inbox.put(change)
        except SeccompError as error:
            self._inbox.put(error)

    def _take(self, timeout_seconds: float) -> None:
        """Take in what the watch has seen, at least one change unless none comes in time."""
        try:
            self._seen(self._inbox.get(timeout=timeout_seconds))
            while True:
                self._seen(self._inbox.get_nowait())
        except queue.Empty:
            pass

    def _seen(self, change: tuple[str, PodState] | SeccompError) -> None:
        if isinstance(change, SeccompError):
            raise change
        pod, state = change
        if pod not in self.undecided:
            return
        self._states[pod] = state
        if not state.troubled:
            self._trouble_since.pop(pod, None)
        elif pod not in self._trouble_since:
            self._trouble_since[pod] = time.monotonic()
        if state.phase == "succeeded" or (state.phase == "gone" and state.exit_code == 0):
            self.undecided.discard(pod)
        elif state.phase in ("failed", "gone") or state.hopeless:
            self.fail(pod, state.why() or "the installer's pod was deleted")

    def _give_up_on_the_troubled(self) -> None:
        now = time.monotonic()
        for pod, since in list(self._trouble_since.items()):
            if pod in self.undecided and now - since >= self._patience.trouble:
                self.fail(pod, self._states[pod].why())

    def _answer(self, pod: str) -> NodeAnswer:
        node = self._pods[pod]
        if pod in self._failures:
            return NodeAnswer(node, None, self._failures[pod])
        message = self._states[pod].termination_message
        try:
            answer = read_answer(message)
            if answer is None:
                with closing(self._log(pod)) as log:
                    answer = read_log(message, log)
        except SeccompError as error:
            return NodeAnswer(node, None, str(error))
        return NodeAnswer(node, answer)

    def _log(self, pod: str) -> Generator[bytes, None, None]:
        log = self._kube.follow_log(NAMESPACE, pod, CONTAINER)
        late = threading.Timer(_LOG_SECONDS, log.close)
        late.daemon = True
        late.start()
        try:
            yield from log
        finally:
            late.cancel()
            log.close()


@contextmanager
def _removed_at_the_end(kube: Kube, session: str) -> Iterator[None]:
    """Delete the installers and their content on every way out.

    At once, without grace: what an installer does is done in one step or not at all. When something went wrong already
    and the deletion goes wrong too (no connection any more), the first error stays and its advice names the command
    that clears up.
    """
    try:
        yield
    except BaseException as error:
        try:
            remove_session(kube, session, ROLE, grace_seconds=0)
        except SeccompError:
            if isinstance(error, SeccompError):
                error.fix = " ".join(filter(None, (error.fix, "Then remove what was left: az aks seccomp cleanup.")))
        raise
    else:
        remove_session(kube, session, ROLE, grace_seconds=0)
