# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The container runtimes of the nodes: this Debian release's on odd nodes, newer ones on even nodes.

Two runtimes in one cluster are what an operator meets between node pools. RuntimeDefault differs between the two
containerd versions, and only the newer runc takes the flags of a seccomp filter (from 1.2 on; Debian 12 has 1.1).

The newer containerd is that of Debian 13, which runs on this libc and still speaks to this kubelet (2.x does not). Its
own runc is 1.1 as well, so runc comes from the release after it, with the loader and the libraries that it wants beside
it. As long as that release is being prepared its versions move on; should it lack runc for a while, unstable has it.
"""

import json
import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .layout import Layout
from .packages import PrivateLists, archives, ensure_installed
from .shell import StandError, environment, output, run

CONTAINERD_SUITE = "trixie"
RUNC_SUITES = ("forky", "sid")
CONTAINERD_PROGRAMS = ("containerd", "ctr", "containerd-shim-runc-v2")
LOG_FLAG = "SECCOMP_FILTER_FLAG_LOG"

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
    """Put the newer containerd and runc into the cache.

    :raises StandError: the archives cannot be reached, or have no runc that is new enough.
    """
    target = layout.newer_runtime
    if target.is_dir():
        return
    ensure_installed("patchelf")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        work = Path(temporary)
        finished = work / "finished"
        (finished / "lib").mkdir(parents=True)
        _take_containerd(_unpack(work / "containerd", CONTAINERD_SUITE, "containerd"), finished)
        _take_runc(_unpack_runc(work), finished)
        _require_log_flag(finished)
        _set_loader(finished / "runc", target / "lib")
        finished.rename(target)
    for program in ("containerd", "runc"):
        log.info("the newer node has %s", output(target / program, "--version").splitlines()[0])


def _unpack_runc(work: Path) -> Path:
    """runc with its libraries, from the first suite that has it."""
    refusals = []
    for suite in RUNC_SUITES:
        try:
            return _unpack(work / suite, suite, "runc", "libc6", "libseccomp2")
        except StandError as error:
            refusals.append(str(error))
    raise StandError("; ".join(refusals))


def _unpack(work: Path, suite: str, *packages: str) -> Path:
    """The files of packages, below a directory of their own."""
    main = next((one for one in archives() if "-" not in one.suite), None)
    if main is None:
        raise StandError("apt is configured with no main archive of this Debian release")
    log.info("fetching %s of Debian %s", packages[0], suite)
    try:
        lists = PrivateLists(work / "apt", [f"deb {main.uri} {suite} {main.component}"])
        files = lists.download(work, *packages)
    except StandError as error:
        raise StandError(f"the second node needs {packages[0]} of Debian {suite}: {error}") from error
    for file in files:
        run("dpkg-deb", "-x", file, work / "root")
    return work / "root"


def _take_containerd(unpacked: Path, directory: Path) -> None:
    for program in CONTAINERD_PROGRAMS:
        shutil.copy2(unpacked / "usr" / "bin" / program, directory)


def _take_runc(unpacked: Path, directory: Path) -> None:
    shutil.copy2(unpacked / "usr" / "sbin" / "runc", directory)
    for pattern in ("ld-linux-*.so.*", "libc.so.6", "libseccomp.so.2"):
        for library in (unpacked / "usr" / "lib").glob(f"*-linux-gnu/{pattern}"):
            shutil.copy2(library, directory / "lib")


def _require_log_flag(directory: Path) -> None:
    """:raises StandError: this runc does not say that it takes the flag that logs denials."""
    features = json.loads(
        output(_loader(directory / "lib"), "--library-path", directory / "lib", directory / "runc", "features")
    )
    if LOG_FLAG not in features.get("linux", {}).get("seccomp", {}).get("supportedFlags", []):
        raise StandError(f"the newer runc does not know {LOG_FLAG}; 1.2 or later is needed")


def _set_loader(program: Path, libraries: Path) -> None:
    """``libraries`` is where they will be: a program names its loader by an absolute path."""
    loader = libraries / _loader(program.parent / "lib").name
    run("patchelf", "--set-interpreter", loader, "--set-rpath", libraries, program)


def _loader(libraries: Path) -> Path:
    found = next(libraries.glob("ld-linux-*"), None)
    if found is None:
        raise StandError("the newer libc6 has no loader where one was looked for")
    return found
