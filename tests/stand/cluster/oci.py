# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Container images as OCI archives, written without a registry and without a container engine (OCI image-spec: layout,
manifest, config).
"""

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MEDIA_TYPE = "application/vnd.oci.image"
SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Link:
    """A symbolic link in an image."""

    target: str


@dataclass(frozen=True)
class Script:
    """An executable file with this text."""

    text: str


# Path of a file on this machine, its content, a link, an executable text, or None for a directory.
Source = Path | bytes | Link | Script | None


def write_archive(
    file: Path,
    reference: str,
    content: Mapping[str, Source],
    *,
    command: Sequence[str] = (),
    entrypoint: Sequence[str] = (),
    environment: Sequence[str] = (),
) -> None:
    """Write an image with one layer.

    :param reference: name under which a containerd that imports the archive knows the image.
    :param content: name in the image (without a leading slash) and what it is; the directories above come by
        themselves.
    """
    layer = _layer(content)
    process = {
        "Cmd": list(command),
        "Entrypoint": list(entrypoint),
        "Env": [SEARCH_PATH, *environment],
        "WorkingDir": "/",
    }
    config = _document(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2024-01-01T00:00:00Z",
            "config": process,
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _document(
        {
            "schemaVersion": 2,
            "mediaType": f"{MEDIA_TYPE}.manifest.v1+json",
            "config": _descriptor(f"{MEDIA_TYPE}.config.v1+json", config),
            "layers": [_descriptor(f"{MEDIA_TYPE}.layer.v1.tar", layer)],
        }
    )
    entry = _descriptor(f"{MEDIA_TYPE}.manifest.v1+json", manifest)
    entry["platform"] = {"architecture": "amd64", "os": "linux"}
    entry["annotations"] = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
    blobs = {f"blobs/sha256/{_digest(blob).partition(':')[2]}": blob for blob in (layer, config, manifest)}
    blobs["oci-layout"] = _document({"imageLayoutVersion": "1.0.0"})
    blobs["index.json"] = _document({"schemaVersion": 2, "manifests": [entry]})
    unfinished = file.with_suffix(".new")
    with tarfile.open(unfinished, "w") as archive:
        for name, blob in sorted(blobs.items()):
            _add(archive, name, blob, 0o644)
    unfinished.rename(file)


def _layer(content: Mapping[str, Source]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as layer:
        made: set[str] = set()
        for name, source in content.items():
            parts = name.strip("/").split("/")
            for depth in range(1, len(parts) + (source is None)):
                _add_directory(layer, "/".join(parts[:depth]), made)
            if source is not None:
                _add_source(layer, "/".join(parts), source)
    return buffer.getvalue()


def _add_directory(layer: tarfile.TarFile, name: str, made: set[str]) -> None:
    if name in made:
        return
    made.add(name)
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE
    member.mode = 0o1777 if name == "tmp" else 0o755
    layer.addfile(member)


def _add_source(layer: tarfile.TarFile, name: str, source: Path | bytes | Link | Script) -> None:
    if isinstance(source, Link):
        member = tarfile.TarInfo(name)
        member.type = tarfile.SYMTYPE
        member.linkname = source.target
        layer.addfile(member)
    elif isinstance(source, Path):
        _add(layer, name, source.read_bytes(), stat.S_IMODE(os.stat(source).st_mode) | 0o444)
    elif isinstance(source, Script):
        _add(layer, name, source.text.encode(), 0o755)
    else:
        _add(layer, name, source, 0o644)


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = mode
    archive.addfile(member, io.BytesIO(content))


def _descriptor(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _document(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()
