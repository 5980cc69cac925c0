# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Image archives: what a containerd needs to import them."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from tests.stand.cluster.oci import Link, Script, write_archive


def blobs(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]


def test_an_archive_is_an_image_layout(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    content = {
        "tmp": None,
        "etc/passwd": b"root:x:0:0::/:/bin/sh\n",
        "bin/sh": Link("busybox"),
        "usr/bin/run": Script("#!/bin/sh\n"),
        "bin/busybox": program,
    }
    archive = tmp_path / "image.tar"
    write_archive(archive, "localhost/test:1", content, entrypoint=["/usr/bin/run"], environment=["A=b"])
    parts = blobs(archive)
    for name, blob in parts.items():
        if name.startswith("blobs/"):
            assert hashlib.sha256(blob).hexdigest() == name.removeprefix("blobs/sha256/")

    def of(descriptor: dict[str, Any]) -> bytes:
        blob = parts[descriptor["digest"].replace("sha256:", "blobs/sha256/")]
        assert descriptor["size"] == len(blob)
        return blob

    assert json.loads(parts["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    [entry] = json.loads(parts["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == "localhost/test:1"
    manifest = json.loads(of(entry))
    config = json.loads(of(manifest["config"]))
    assert config["config"]["Entrypoint"] == ["/usr/bin/run"]
    assert "A=b" in config["config"]["Env"]
    [descriptor] = manifest["layers"]
    layer = of(descriptor)
    assert config["rootfs"]["diff_ids"] == [descriptor["digest"]]
    with tarfile.open(fileobj=io.BytesIO(layer)) as opened:
        members = {member.name: member for member in opened}
        assert list(members) == [
            "tmp",
            "etc",
            "etc/passwd",
            "bin",
            "bin/sh",
            "usr",
            "usr/bin",
            "usr/bin/run",
            "bin/busybox",
        ]
    assert members["tmp"].mode == 0o1777
    assert members["bin/sh"].linkname == "busybox"
    assert members["usr/bin/run"].mode == 0o755
    assert members["bin/busybox"].mode == 0o755
    assert members["etc/passwd"].mode == 0o644


def test_the_same_content_is_the_same_archive_content(tmp_path: Path) -> None:
    files = [tmp_path / "a.tar", tmp_path / "b.tar"]
    for file in files:
        write_archive(file, "localhost/test:1", {"etc/hosts": b"x"})
    assert blobs(files[0]) == blobs(files[1])
