# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The profile that was chosen, on one node and for one container."""

import hashlib
import json

import pytest

from azext_seccomp.audit.choice import DockerProfile, OneProfile, RuntimeDefault
from azext_seccomp.errors import InvalidInput, SeccompError, Unsupported
from azext_seccomp.node.inventory import Node
from azext_seccomp.profile.capabilities import DEFAULT, bounding
from azext_seccomp.profile.runtime_default import render
from azext_seccomp.profile.source import Options, load

KERNEL = "5.15.0-1064-azure"
NODE = Node("n1", kernel=KERNEL, runtime_version="1.7.24")
ADMIN = bounding(["SYS_ADMIN"])
DOCKER = json.dumps(
    {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
        ],
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        ],
    }
).encode()


class TestRuntimeDefault:
    @pytest.mark.parametrize("capabilities", [DEFAULT, ADMIN, frozenset()])
    @pytest.mark.parametrize("arch", ["amd64", "arm64"])
    @pytest.mark.parametrize("version", ["1.6.20", "1.7.24", "2.2.4"])
    def test_is_what_the_containerd_of_the_node_makes(
        self, version: str, arch: str, capabilities: frozenset[str]
    ) -> None:
        node = Node("n1", arch=arch, kernel=KERNEL, runtime_version=version)
        expected = render(version, arch, capabilities, KERNEL)
        assert RuntimeDefault().on(node, capabilities).profile == expected.profile
        assert RuntimeDefault(version).on(NODE, DEFAULT).profile == render(version, "amd64", DEFAULT, KERNEL).profile

    def test_an_old_kernel_counts(self) -> None:
        node = Node("n1", kernel="4.4.0", runtime_version="1.7.24")
        assert RuntimeDefault().on(node, DEFAULT).profile == render("1.7.24", "amd64", DEFAULT, "4.4.0").profile
        assert RuntimeDefault().on(node, DEFAULT).profile != RuntimeDefault().on(NODE, DEFAULT).profile

    def test_nodes_that_are_alike_share_it(self) -> None:
        choice = RuntimeDefault()
        other = Node("n2", "pool2", kernel=KERNEL, runtime_version="1.7.24")
        assert choice.on(NODE, DEFAULT) is choice.on(other, DEFAULT)
        assert choice.on(NODE, DEFAULT) is not choice.on(NODE, ADMIN)

    def test_debians_version_is_its_release(self) -> None:
        node = Node("n1", runtime_version="1.6.20~ds1-1+deb12u2")
        assert RuntimeDefault().on(node, DEFAULT).profile == render("1.6.20", "amd64").profile

    def test_has_a_name(self) -> None:
        assert RuntimeDefault().identity.name == "RuntimeDefault"
        assert RuntimeDefault("2.0.7").identity.name == "RuntimeDefault of containerd 2.0.7"

    @pytest.mark.parametrize(
        ("node", "error"),
        [
            (Node("n1", runtime_version="1.4.13"), Unsupported),
            (Node("n1", runtime_version=""), InvalidInput),
            (Node("n1", runtime_version="of my own"), InvalidInput),
            (Node("n1", runtime="cri-o", runtime_version="1.30.0"), Unsupported),
            (Node("n1", runtime_version="1.7.24", arch="riscv64"), InvalidInput),
        ],
    )
    def test_a_node_of_which_it_is_not_known_is_named(self, node: Node, error: type[SeccompError]) -> None:
        with pytest.raises(error, match=f"node n1.*{node.runtime_version}") as refused:
            RuntimeDefault().on(node, DEFAULT)
        assert "--containerd-version" in refused.value.fix

    def test_with_a_version_that_of_the_node_does_not_matter(self) -> None:
        unknown = Node("n1", runtime="cri-o", runtime_version="")
        assert RuntimeDefault("1.7.24").on(unknown, DEFAULT).profile == render("1.7.24", "amd64").profile

    @pytest.mark.parametrize(("version", "error"), [("new", InvalidInput), ("1.5.9", Unsupported)])
    def test_a_version_that_is_none_is_refused_at_once(self, version: str, error: type[SeccompError]) -> None:
        with pytest.raises(error):
            RuntimeDefault(version)


class TestDockerProfile:
    def test_is_rendered_for_node_and_container(self) -> None:
        choice = DockerProfile(DOCKER, "web/docker.json")
        rendered = choice.on(NODE, DEFAULT)
        assert rendered.profile == load(DOCKER, "x", Options(docker_format=True, kernel=KERNEL)).profile
        assert rendered is choice.on(NODE, DEFAULT)
        names = {name for rule in choice.on(NODE, ADMIN).profile.rules for name in rule.names}
        assert names == {"read", "mount", "ptrace"}
        assert {name for rule in rendered.profile.rules for name in rule.names} == {"read", "ptrace"}
        arm = choice.on(Node("n2", arch="arm64", kernel="4.4.0"), DEFAULT).profile
        assert "SCMP_ARCH_AARCH64" in arm.architectures
        assert {name for rule in arm.rules for name in rule.names} == {"read"}

    @pytest.mark.parametrize(
        ("node", "words"),
        [
            (Node("n1", arch="riscv64"), "riscv64"),
            (Node("n1", kernel="of my own"), "'of my own' is not a kernel version"),
        ],
    )
    def test_a_node_for_which_it_cannot_be_rendered_is_named(self, node: Node, words: str) -> None:
        with pytest.raises(InvalidInput, match=f"docker.json cannot be rendered for node n1.*{words}"):
            DockerProfile(DOCKER, "docker.json").on(node, DEFAULT)

    def test_is_named_as_the_file(self) -> None:
        identity = DockerProfile(DOCKER, "web/docker.json").identity
        assert (identity.name, identity.source) == ("docker.json", "web/docker.json")
        assert identity.sha256 == hashlib.sha256(DOCKER).hexdigest()

    def test_what_is_wrong_with_it_is_said_at_once(self) -> None:
        with pytest.raises(InvalidInput, match="docker.json"):
            DockerProfile(b'{"defaultAction": 5}', "docker.json")


def test_a_file_says_the_same_everywhere() -> None:
    source = load(b'{"defaultAction": "SCMP_ACT_LOG"}', "web/p.json", Options())
    choice = OneProfile(source, "web/p.json")
    assert choice.on(NODE, DEFAULT) is choice.on(Node("n2", arch="arm64"), ADMIN) is source
    assert (choice.identity.name, choice.identity.source, choice.by_container) == ("p.json", "web/p.json", False)
