# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The installer that fake nodes play gives the answers of the real script: the same runs go through both."""

import hashlib
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from tests.stand.cluster.fake_nodes.installer import File, answer

ONE, TWO = b'{"defaultAction":"SCMP_ACT_LOG"}', b"{}"
SHA_ONE, SHA_TWO = (hashlib.sha256(content).hexdigest() for content in (ONE, TWO))
CONTENTS = {"0": File(SHA_ONE, len(ONE)), "1": File(SHA_TWO, len(TWO))}
RUNS = [
    ("list",),
    ("place", "keep", "0", "aks-seccomp/a.json", SHA_ONE, "1", "b.json", SHA_TWO),
    ("place", "keep", "0", "aks-seccomp/a.json", SHA_ONE),
    ("place", "keep", "1", "aks-seccomp/a.json", SHA_TWO),
    ("place", "keep", "0", "c.json", SHA_TWO),
    ("list",),
    ("place", "force", "1", "aks-seccomp/a.json", SHA_TWO),
    ("remove", "0", "b.json", "1", "none.json"),
    ("list",),
    ("remove-tree", "aks-seccomp"),
    ("list",),
]


@pytest.fixture
def shell() -> str:
    found = shutil.which("sh")
    assert found is not None
    return found


def test_answers_are_those_of_the_script(tmp_path: Path, shell: str) -> None:
    script = resources.files("azext_seccomp.node").joinpath("installer.sh")
    root, content, said = (tmp_path / name for name in ("root", "content", "answer"))
    root.mkdir()
    content.mkdir()
    (content / "0").write_bytes(ONE)
    (content / "1").write_bytes(TWO)
    played: dict[str, File] = {}
    for run in RUNS:
        command = [shell, str(script), str(root), str(content), str(said), "s2345", *run]
        subprocess.run(command, check=True, capture_output=True)
        assert (run, answer(played, run, CONTENTS)) == (run, (said.read_text(), []))


def test_a_long_answer_is_in_the_log() -> None:
    directory = {f"profile-{number:03}.json": File(SHA_ONE, 1) for number in range(600)}
    message, log = answer(directory, ("list",), {})
    assert message == "aks-seccomp 1 log 600\nend\n"
    assert len(log) == 501
    assert log[-1] == "end"
