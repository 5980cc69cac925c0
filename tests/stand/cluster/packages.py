# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Debian packages, from the archives that apt on this machine is configured with."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .shell import StandError, environment, output, run

RUNTIME_PACKAGES = (
    "etcd-server",
    "containerd",
    "runc",
    "containernetworking-plugins",
    "iptables",
    "iproute2",
    "busybox-static",
    "openssl",
    "gcc",
    "libc6-dev",
    "kubernetes-client",
)
BUILD_PACKAGES = ("golang-1.19-go", "dpkg-dev", "xz-utils")
LOCK_PATIENCE = "-oDPkg::Lock::Timeout=300"  # seconds, while another apt on the machine is at work
POLICY = Path("/usr/sbin/policy-rc.d")


def ensure_installed(*packages: str) -> None:
    """Install those packages that are missing, without starting the services they bring.

    :raises StandError: not root, or a package cannot be had.
    """
    missing = [name for name in packages if not _installed(name)]
    if not missing:
        return
    env = environment(DEBIAN_FRONTEND="noninteractive")
    run("apt-get", "update", "-qq", env=env)
    with _services_held_back():
        run("apt-get", "install", "-y", "-qq", LOCK_PATIENCE, "--no-install-recommends", *missing, env=env)


def _installed(package: str) -> bool:
    if package == "kubernetes-client" and shutil.which("kubectl"):
        return True
    status = run("dpkg-query", "-W", "-f", "${Status}", package, check=False).stdout
    return status.startswith(b"install ok installed")


@contextmanager
def _services_held_back() -> Iterator[None]:
    """While this lasts, no service is started on installation (invoke-rc.d asks policy-rc.d; 101 means no)."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


@dataclass(frozen=True)
class Archive:
    """One Debian archive that this machine is configured with."""

    uri: str
    suite: str
    component: str


def archives() -> list[Archive]:
    """The Debian archives of this machine's own release.

    :raises StandError: apt knows none.
    """
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    codename = release.get("VERSION_CODENAME", "").strip('"')
    listing = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    if not output(*listing):  # apt names only archives whose lists it has
        run("apt-get", "update", "-qq")
    found = [Archive(*line.split()) for line in dict.fromkeys(output(*listing).splitlines())]
    own = [archive for archive in found if codename and archive.suite.startswith(codename)]
    if not own:
        raise StandError(f"apt is configured with no archive of Debian {codename or '(unknown release)'}")
    return own


class PrivateLists:
    """An apt view of its own: other suites or source archives, without touching the machine's configuration."""

    def __init__(self, directory: Path, lines: list[str]) -> None:
        """:param lines: lines in the form of sources.list."""
        (directory / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        sources = directory / "private.list"
        sources.write_text("".join(line + "\n" for line in lines))
        self._options = [
            f"-oDir::Etc::sourcelist={sources}",
            "-oDir::Etc::sourceparts=-",
            f"-oDir::State::lists={directory / 'lists'}",
            "-oDir::Cache::pkgcache=",
            "-oDir::Cache::srcpkgcache=",
            "-oAPT::Sandbox::User=root",
            # a mirror may be as of some day; what it has is signed all the same
            "-oAcquire::Check-Valid-Until=false",
        ]
        run("apt-get", *self._options, "update", "-qq")

    def download(self, directory: Path, *packages: str) -> list[Path]:
        """Binary packages as files in ``directory``."""
        run("apt-get", *self._options, "download", "-qq", *packages, cwd=directory)
        return sorted(directory.glob("*.deb"))

    def source(self, directory: Path, package: str) -> None:
        """Unpack a source package below ``directory``."""
        run("apt-get", *self._options, "source", "-qq", package, cwd=directory)
