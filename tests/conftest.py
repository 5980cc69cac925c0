# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""What all tests share: the stands, az, and the rule that in CI nothing is skipped.

``SECCOMP_REQUIRE_CLUSTER=1`` turns every skip into a failure. Without it, tests that need what this machine does not
have are skipped, and the summary names the reason.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.stand.arm import ArmStand
from tests.stand.arm.rbac import grant
from tests.stand.arm.server import PORT
from tests.stand.cluster import Layout, Stand

ROOT = Path(__file__).resolve().parent.parent
REQUIRED = os.environ.get("SECCOMP_REQUIRE_CLUSTER") == "1"


def pytest_configure(config: pytest.Config) -> None:
    """Give az a state of its own before anything imports it: it reads these variables once, on import."""
    state = Path(tempfile.mkdtemp(prefix="seccomp-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(state, ignore_errors=True))
    (state / "dev").mkdir()
    (state / "dev" / "seccomp").symlink_to(ROOT)
    os.environ.update(
        AZURE_CONFIG_DIR=str(state / "config"),
        AZURE_EXTENSION_DIR=str(state / "extensions"),
        AZURE_EXTENSION_DEV_SOURCES=str(state / "dev"),
        AZURE_CORE_COLLECT_TELEMETRY="false",
        AZURE_EXTENSION_USE_DYNAMIC_INSTALL="no",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several processes: who runs what is said by tests/processes.py. (The marks of pytest-xdist 3.8 for that are
    without effect under pytest 9.2.)
    """
    from tests.processes import TogetherScheduling

    return TogetherScheduling(config, log)


def pytest_sessionstart() -> None:
    """A background job of a script is started with SIGINT ignored, one under nohup with SIGHUP, and every az that a
    test starts would inherit that: tests that press Ctrl-C would wait for ever.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return _refuse_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return _refuse_skip(report)


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _refuse_skip(report: Report) -> Report:
    """With SECCOMP_REQUIRE_CLUSTER, make a failure of a skip."""
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"SECCOMP_REQUIRE_CLUSTER=1, and yet it would be skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def stand() -> Stand:
    """The local Kubernetes, which has to be up: ``make stand-up``."""
    found = Stand()
    if not found.healthy():
        pytest.skip("the local Kubernetes is not up (make stand-up)")
    return found


@pytest.fixture(scope="session")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArmStand]:
    """Resource Manager and Entra without a cluster behind them: no API server is reachable."""
    with ArmStand(Layout(state=tmp_path_factory.mktemp("arm")), port=0) as running:
        yield running


@pytest.fixture(scope="session")
def cluster_arm(stand: Stand) -> Iterator[ArmStand]:
    """Resource Manager and Entra, with the local Kubernetes as their clusters.

    The API server asks one port about tokens. When another run has it already, its stand answers: they share the key.
    """
    grant(stand.kubeconfig)
    nodes = len(stand.node_names)
    try:
        running = ArmStand(kubeconfig=stand.kubeconfig, nodes=nodes, port=PORT)
    except OSError:
        running = ArmStand(kubeconfig=stand.kubeconfig, nodes=nodes, port=0)
    with running:
        yield running


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension as users get it, built from a copy of this checkout."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "azext_seccomp", source / "azext_seccomp", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "HISTORY.rst", "LICENSE"):
        shutil.copy(ROOT / name, source)
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = target.glob("*.whl")
    return found
