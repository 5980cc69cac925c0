# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The images of the stand: what is in them, and the cache of their archives.

- ``PAUSE``: the sandbox process of every pod.
- ``TOOLS``: busybox and ``syscaller``, which makes named system calls (``tests/stand/images/syscaller.c``).
- ``IG``: the stand-in of Inspektor Gadget's ``ig`` (``tests/stand/ig``) with as much of this machine's Python as it
  loads.
- ``IG_LOSSY``: the same with a receive buffer so small that a burst overruns it.
"""

import hashlib
import json
import logging
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .layout import Layout
from .oci import Link, Script, Source, write_archive
from .shell import output, run

PAUSE = "localhost/aks-stand/pause:1"
TOOLS = "localhost/aks-stand/tools:1"
IG = "localhost/aks-stand/ig:1"
IG_LOSSY = "localhost/aks-stand/ig-lossy:1"
SMALL_BUFFER = "IG_STAND_RECEIVE_BUFFER=16384"

SOURCES = Path(__file__).parent.parent / "images"
IG_SOURCES = Path(__file__).parent.parent / "ig"
BUSYBOX = Path("/usr/bin/busybox")
IG_LIBRARY = "usr/lib/ig"
START = """\
#!{interpreter} -IS
import sys
sys.path.insert(0, "/{library}")
from ig.main import main
raise SystemExit(main(sys.argv[1:]))
"""

BASE: dict[str, Source] = {
    **dict.fromkeys(("tmp", "proc", "sys", "dev", "root", "var/tmp")),
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Image:
    reference: str
    build: Callable[[Path, Path], None]  # archive to write, directory for intermediate files


def ensure_images(layout: Layout) -> dict[str, Path]:
    """The archive of every image by reference, built where it is not in the cache.

    :raises StandError: a compiler or busybox is missing.
    """
    layout.images.mkdir(parents=True, exist_ok=True)
    fingerprint = _fingerprint()
    archives = {}
    for image in IMAGES:
        name = re.sub(r"[^a-z]+", "-", image.reference.removeprefix("localhost/"))
        archive = layout.images / f"{name}{fingerprint}.tar"
        if not archive.exists():
            for outdated in layout.images.glob(f"{name}*.tar"):
                outdated.unlink()
            log.info("building image %s", image.reference)
            with tempfile.TemporaryDirectory() as work:
                image.build(archive, Path(work))
        archives[image.reference] = archive
    return archives


def _fingerprint() -> str:
    """Changes when anything changes that goes into an image."""
    digest = hashlib.sha256(sys.version.encode())
    builders = (Path(__file__), Path(__file__).with_name("oci.py"))
    for file in (*builders, *sorted(SOURCES.glob("*.c")), *sorted(IG_SOURCES.glob("*.py")), BUSYBOX):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _compile(source: str, work: Path) -> Path:
    program = work / Path(source).stem
    run("gcc", "-O1", "-static", "-s", "-pthread", "-Wall", "-Werror", "-o", program, SOURCES / source)
    return program


def _build_pause(archive: Path, work: Path) -> None:
    write_archive(archive, PAUSE, {"pause": _compile("pause.c", work)}, entrypoint=["/pause"])


def _build_tools(archive: Path, work: Path) -> None:
    applets = output(BUSYBOX, "--list").split()
    content = {**BASE, "bin/busybox": BUSYBOX, "usr/bin/env": Link("/bin/busybox")}
    content.update({f"bin/{applet}": Link("busybox") for applet in applets if applet != "busybox"})
    content["bin/syscaller"] = _compile("syscaller.c", work)
    write_archive(archive, TOOLS, content, command=["/bin/sh"])


def _build_ig(archive: Path, work: Path) -> None:
    write_archive(archive, IG, _ig_content(work), entrypoint=["/usr/bin/ig"], environment=["HOST_ROOT=/host"])


def _build_lossy_ig(archive: Path, work: Path) -> None:
    write_archive(
        archive, IG_LOSSY, _ig_content(work), entrypoint=["/usr/bin/ig"], environment=["HOST_ROOT=/host", SMALL_BUFFER]
    )


def _ig_content(work: Path) -> dict[str, Source]:
    interpreter = Path(sys.executable).resolve()
    start = START.format(interpreter=interpreter, library=IG_LIBRARY)
    content: dict[str, Source] = {**BASE, "usr/bin/ig": Script(start)}
    for module in sorted(IG_SOURCES.glob("*.py")):
        content[f"{IG_LIBRARY}/ig/{module.name}"] = module
    content[f"{IG_LIBRARY}/ig/syscalls.json"] = json.dumps(_syscall_names()).encode()
    for file in (interpreter, *_loaded_modules(interpreter, work)):
        content[str(file).lstrip("/")] = file
        if file.suffix != ".py":
            content.update({library.lstrip("/"): Path(library) for library in _libraries(file)})
    return content


def _syscall_names() -> dict[str, str]:
    """Number -> name of this architecture's system calls, from the kernel's header."""
    macros = run("gcc", "-E", "-dM", "-", stdin=b"#include <asm/unistd.h>\n").stdout.decode()
    return {number: name for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", macros, re.MULTILINE)}


def _loaded_modules(interpreter: Path, work: Path) -> Iterator[Path]:
    """Files of the standard library's modules that the stand-in loads, asked from the interpreter itself."""
    (work / "ig").mkdir(exist_ok=True)
    for module in IG_SOURCES.glob("*.py"):
        (work / "ig" / module.name).write_bytes(module.read_bytes())
    question = (
        f"import sys; sys.path.insert(0, {str(work)!r}); sys.dont_write_bytecode = True; import ig.main; "
        "print('\\n'.join({m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)}))"
    )
    for line in output(interpreter, "-IS", "-c", question).splitlines():
        if not line.startswith(f"{work}/"):
            yield Path(line)


def _libraries(program: Path) -> list[str]:
    """Shared libraries that a program or module needs, with the loader."""
    return re.findall(r"(?:=> |^\s*)(/\S+) \(0x", run("ldd", program, check=False).stdout.decode(), re.MULTILINE)


IMAGES = (
    Image(PAUSE, _build_pause),
    Image(TOOLS, _build_tools),
    Image(IG, _build_ig),
    Image(IG_LOSSY, _build_lossy_ig),
)
