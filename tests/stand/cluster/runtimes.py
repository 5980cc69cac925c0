# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The container runtimes of the nodes: this Debian release's on odd nodes, the next release's on even ones.

Two containerd versions in one cluster are what an operator meets between node pools, and RuntimeDefault differs
between them. containerd of the next release runs on this libc; its runc wants a newer one and gets that release's
loader and libraries beside it.
"""

import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .layout import Layout
from .packages import PrivateLists, archives, ensure_installed
from .shell import StandError, environment, run

NEWER_SUITE = "trixie"
CONTAINERD_PROGRAMS = ("containerd", "ctr", "containerd-shim-runc-v2")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runtime:
    """A containerd with its runc.

    ``directory`` is put in front of PATH, so that containerd finds its own shim; None for the programs that are
    installed.
    """

    containerd: Path
    ctr: Path
    runc: Path
    directory: Path | None

    @property
    def environment(self) -> dict[str, str]:
        return environment(prepend=self.directory)


def of_node(layout: Layout, index: int) -> Runtime:
    """The runtime of the node with this number, counted from 1."""
    if index % 2:
        return Runtime(_installed("containerd"), _installed("ctr"), _installed("runc"), directory=None)
    newer = layout.newer_runtime
    return Runtime(newer / "containerd", newer / "ctr", newer / "runc", directory=newer)


def _installed(program: str) -> Path:
    path = shutil.which(program, path=environment()["PATH"])
    if path is None:
        raise StandError(f"{program} is not installed")
    return Path(path)


def ensure_newer(layout: Layout) -> None:
    """Put the next release's containerd and runc into the cache.

    :raises StandError: that release's archive cannot be reached.
    """
    target = layout.newer_runtime
    if target.is_dir():
        return
    ensure_installed("patchelf")
    log.info("fetching containerd and runc of Debian %s", NEWER_SUITE)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        work = Path(temporary)
        unpacked = _unpack(work, "containerd", "runc", "libc6", "libseccomp2")
        finished = work / "finished"
        _assemble(unpacked, finished, target)
        finished.rename(target)
    for program in ("containerd", "runc"):
        run(target / program, "--version")


def _unpack(work: Path, *packages: str) -> Path:
    main = next((one for one in archives() if "-" not in one.suite), None)
    if main is None:
        raise StandError("apt is configured with no main archive of this Debian release")
    try:
        lists = PrivateLists(work / "apt", [f"deb {main.uri} {NEWER_SUITE} {main.component}"])
        files = lists.download(work, *packages)
    except StandError as error:
        raise StandError(f"the second node needs containerd and runc of Debian {NEWER_SUITE}: {error}") from error
    for file in files:
        run("dpkg-deb", "-x", file, work / "root")
    return work / "root"


def _assemble(unpacked: Path, directory: Path, final: Path) -> None:
    """Copy programs and libraries; ``final`` is the path at which they will run: runc names its loader by it."""
    (directory / "lib").mkdir(parents=True)
    for program in CONTAINERD_PROGRAMS:
        shutil.copy2(unpacked / "usr" / "bin" / program, directory)
    shutil.copy2(unpacked / "usr" / "sbin" / "runc", directory)
    for pattern in ("ld-linux-*.so.*", "libc.so.6", "libseccomp.so.2"):
        for library in (unpacked / "usr" / "lib").glob(f"*-linux-gnu/{pattern}"):
            shutil.copy2(library, directory / "lib")
    loader = next((directory / "lib").glob("ld-linux-*"))
    run("patchelf", "--set-interpreter", final / "lib" / loader.name, "--set-rpath", final / "lib", directory / "runc")
