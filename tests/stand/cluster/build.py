# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The Kubernetes programs, built from Debian's ``kubernetes`` source package.

Debian has no package of the control plane or the kubelet; its source package holds all of Kubernetes 1.20 with its
vendored dependencies, except one generated file, which is generated here. Two cores need three and a half minutes,
once: the programs are cached.
"""

import logging
import os
import shutil
import time
from pathlib import Path

from .layout import KUBERNETES_VERSION, Layout
from .packages import BUILD_PACKAGES, PrivateLists, archives, ensure_installed
from .shell import StandError, environment, run

PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
# Cloud providers and Docker halve the size when left out, and a kubelet with Docker support waits for it on every
# start.
BUILD_TAGS = "providerless dockerless nokmem"
GO = Path("/usr/lib/go-1.19/bin")
OPENAPI_PACKAGE = "k8s.io/kubernetes/pkg/generated/openapi"
NOT_SERVED = ("code-generator", "sample-apiserver", "gengo", "kube-openapi")

log = logging.getLogger(__name__)


def ensure_programs(layout: Layout) -> None:
    """Build those of the programs that are not in the cache. A build that was interrupted goes on where it was.

    :raises StandError: the source cannot be had or does not build.
    """
    missing = [name for name in PROGRAMS if not os.access(layout.binaries / name, os.X_OK)]
    if not missing:
        return
    ensure_installed(*BUILD_PACKAGES)
    source = _ensure_source(layout.build)
    env = environment(
        prepend=GO,
        GOPATH=str(layout.build / "gopath"),
        GOCACHE=str(layout.build / "go-cache"),
        GO111MODULE="off",
        CGO_ENABLED="0",
        GOFLAGS="",
    )
    _ensure_openapi(layout.build, source, env)
    layout.binaries.mkdir(parents=True, exist_ok=True)
    for name in missing:
        started = time.monotonic()
        unfinished = layout.binaries / f"{name}.new"
        run(
            "go",
            "build",
            "-tags",
            BUILD_TAGS,
            "-ldflags",
            _linker_flags(),
            "-o",
            unfinished,
            f"k8s.io/kubernetes/cmd/{name}",
            cwd=source,
            env=env,
        )
        unfinished.rename(layout.binaries / name)
        log.info("built %s in %.0f s", name, time.monotonic() - started)
    shutil.rmtree(layout.build)  # more than 1 GB, of use only while something is missing


def _ensure_source(build: Path) -> Path:
    """The source tree, as a real directory in GOPATH: the generators do not follow links."""
    source = build / "gopath" / "src" / "k8s.io" / "kubernetes"
    if (source / "cmd" / "kubelet").is_dir():
        return source
    log.info("fetching the kubernetes source package")
    source.parent.mkdir(parents=True, exist_ok=True)
    for unfinished in build.glob("kubernetes-1*"):
        shutil.rmtree(unfinished)
    lists = PrivateLists(build / "apt", [f"deb-src {one.uri} {one.suite} {one.component}" for one in archives()])
    lists.source(build, "kubernetes")
    unpacked = list(build.glob("kubernetes-1*/"))
    if len(unpacked) != 1:
        raise StandError(f"the source package unpacked to {len(unpacked)} directories in {build}")
    unpacked[0].rename(source)
    return source


def _ensure_openapi(build: Path, source: Path, env: dict[str, str]) -> None:
    """Generate the OpenAPI definitions, the one file that the source package lacks."""
    if (source / "pkg" / "generated" / "openapi" / "zz_generated.openapi.go").exists():
        return
    log.info("generating the OpenAPI definitions")
    generator = build / "openapi-gen"
    run(
        "go",
        "build",
        "-o",
        generator,
        "k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen",
        cwd=source,
        env=env,
    )
    inputs = ",".join(f"k8s.io/kubernetes/{directory}" for directory in _tagged_directories(source))
    run(
        generator, "--logtostderr", "-i", inputs, "-p", OPENAPI_PACKAGE, "-O", "zz_generated.openapi",
        "-h", "hack/boilerplate/boilerplate.generatego.txt", "-r", build / "violations", cwd=source, env=env,
    )  # fmt: skip


def _tagged_directories(source: Path) -> list[str]:
    """Directories with types that the API serves: a Go file in them carries the tag ``+k8s:openapi-gen=``."""
    tagged: set[str] = set()
    for top in ("vendor/k8s.io", "pkg", "cmd", "plugin"):
        # vendor/k8s.io holds links into staging/, which the walk has to follow
        for directory, _, files in os.walk(source / top, followlinks=True):
            relative = os.path.relpath(directory, source)
            if relative.startswith(tuple(f"vendor/k8s.io/{name}" for name in NOT_SERVED)):
                continue
            if any(_is_tagged(Path(directory, name)) for name in files):
                tagged.add(relative)
    return sorted(tagged)


def _is_tagged(file: Path) -> bool:
    if file.suffix != ".go" or file.name.startswith("zz_generated") or file.name.endswith("_test.go"):
        return False
    return b"+k8s:openapi-gen=" in file.read_bytes()


def _linker_flags() -> str:
    """What ``/version`` and ``nodeInfo`` will say; the packages are the vendored ones."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    packages = ("component-base/version", "client-go/pkg/version")
    set_values = [
        f"-X k8s.io/kubernetes/vendor/k8s.io/{package}.{key}={value}"
        for package in packages
        for key, value in values.items()
    ]
    return " ".join(["-s", "-w", *set_values])
