# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""An audit of a workload that is killed at any instant: ``cleanup`` puts everything back, from wherever it runs."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from azext_seccomp.cluster.kube import OfficialClient
from tests.e2e.audit.scene import SECONDS, Scene, running, wait_for
from tests.e2e.audit.workloads import Live, container, workload
from tests.stand.arm import ArmStand
from tests.stand.az import InProcessAz
from tests.stand.cluster import Stand

pytestmark = pytest.mark.cluster

Point = Callable[[Scene, Live], object]
_AT_ONCE = 5
_LOOK_SECONDS = 0.05


def _after(first: Point, then: Point) -> Point:
    """``then``, once ``first`` was seen."""
    seen = []

    def point(scene: Scene, live: Live) -> bool:
        if not seen and first(scene, live):
            seen.append(True)
        return bool(seen and then(scene, live))

    return point


def _switched(_: Scene, live: Live) -> bool:
    return live.is_switched()


def _collectors_run(scene: Scene, _: Live) -> bool:
    found = scene.own("collector")
    return bool(found) and all((one.get("status") or {}).get("phase") == "Running" for one in found)


POINTS: dict[str, Point] = {
    "the journal is written": lambda scene, _: scene.sessions,
    "installers are there": lambda scene, _: scene.own("installer"),
    "the files are on the nodes": lambda scene, _: scene.files(),
    "collectors are there": lambda scene, _: scene.own("collector"),
    "collectors run": _collectors_run,
    "the workload is switched": _switched,
    "its new pods run": lambda _, live: live.running(audited=True),
    "collectors are gone": _after(_switched, lambda scene, _: not scene.own("collector")),
    "the workload is put back": _after(_switched, lambda _, live: not live.is_switched()),
    "the files are being removed": _after(
        _switched, lambda scene, live: not live.is_switched() and scene.own("installer")
    ),
}


class Killed:
    """An audit in a namespace of its own, killed at a point."""

    def __init__(self, scene: Scene, point: Point) -> None:
        self.scene = scene
        self._point = point
        scene.make_namespace()
        self.live = Live(scene, workload("Deployment", container("app", "mkdir*3", "sleep=600")))

    def run(self) -> None:
        argv = self.scene.workload_argv(self.live.reference, profile=self.scene.profile, duration="1s")
        with running(argv) as az:
            end = time.monotonic() + SECONDS
            while not self._point(self.scene, self.live) and az.process.poll() is None:
                assert time.monotonic() < end, "the point never came"
                time.sleep(_LOOK_SECONDS)
            az.send(signal.SIGKILL)
            assert az.end().code == -signal.SIGKILL, az.err


@pytest.fixture
def scenes(kube: OfficialClient, cluster_arm: ArmStand, stand: Stand, tmp_path: Path) -> Iterator[Sequence[Scene]]:
    cluster_arm.reset()
    with ExitStack() as stack:
        made = []
        for name in range(len(POINTS)):
            directory = tmp_path / str(name)
            directory.mkdir()
            made.append(Scene(kube, stand, InProcessAz(cluster_arm), directory))
            stack.callback(made[-1].forget)
        yield made


@pytest.mark.alone  # cleans up all sessions, those of other tests too
def test_killed_at_ten_points_and_cleaned_up(scenes: Sequence[Scene]) -> None:
    killed = [Killed(scene, point) for scene, point in zip(scenes, POINTS.values(), strict=True)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for name, done in zip(POINTS, [pool.submit(one.run) for one in killed], strict=True):
            try:
                done.result()
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from error
    assert any(one.live.is_switched() for one in killed), "some were killed in the middle"
    listed = scenes[0].cleanup("--dry-run", "--force").json
    sessions = {session for scene in scenes for session in scene.sessions}
    assert len(sessions) == len(POINTS)
    assert sessions <= {row["session"] for row in listed}
    changed = {(row["kind"], row["name"], row["status"]) for row in listed}
    assert {("Deployment", f"{one.scene.namespace}/web", "found") for one in killed} <= changed
    cleaned = scenes[0].cleanup("--force", "-o", "json")
    assert cleaned.code == 0, cleaned.out + cleaned.err
    for name, one in zip(POINTS, killed, strict=True):
        assert one.live.is_as_before(), name
        assert not one.live.pods(audited=True), name
        assert len(one.live.running(audited=False)) == 1, name
        wait_for(lambda one=one: one.scene.left() == [f"namespace {one.scene.namespace}"])
