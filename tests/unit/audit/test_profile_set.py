# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The files of an audit: one path for a container wherever it runs, and on each node the content of that node."""

import hashlib
from collections.abc import Sequence

import pytest

from azext_seccomp.audit.choice import OneProfile, ProfileChoice, RuntimeDefault
from azext_seccomp.audit.profile_set import Mode, ProfileSet
from azext_seccomp.errors import InvalidInput, Unsupported
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.placement import MAX_FILES
from azext_seccomp.profile import codec
from azext_seccomp.profile.capabilities import ALL, DEFAULT, bounding
from azext_seccomp.profile.model import Profile
from azext_seccomp.profile.runtime_default import render
from azext_seccomp.profile.source import Options, load
from azext_seccomp.profile.variants import to_audit, to_canary

KERNEL = "5.15.0-1064-azure"
OLD = Node("old", kernel=KERNEL, runtime_version="1.6.20")
NEW = Node("new", kernel=KERNEL, runtime_version="1.7.24")
ARM = Node("arm", arch="arm64", kernel=KERNEL, runtime_version="1.7.24")
ADMIN = bounding(["SYS_ADMIN"])
CHOWNLESS = bounding(drop=["CHOWN"])  # no rule asks for CHOWN
FILE = b'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}'


def made(
    *capabilities: frozenset[str],
    choice: ProfileChoice | None = None,
    nodes: Sequence[Node] = (OLD, NEW),
    mode: Mode = "audit",
    directory: str = "audit/s1",
) -> ProfileSet:
    return ProfileSet(choice or RuntimeDefault(), nodes, capabilities, mode=mode, directory=directory)


def from_file(text: bytes = FILE) -> OneProfile:
    return OneProfile(load(text, "p.json", Options()), "p.json")


def content(profiles: ProfileSet, path: str, node: Node) -> bytes:
    (found,) = [one.content for one in profiles.files_on(node) if one.path == path]
    return found


def audited(profile: Profile) -> bytes:
    return codec.encode(to_audit(profile).profile)


def test_one_path_has_on_each_node_what_its_containerd_makes_of_the_capabilities() -> None:
    profiles = made(DEFAULT, ADMIN, nodes=(OLD, NEW, ARM))
    for capabilities in (DEFAULT, ADMIN):
        path = profiles.path_for(capabilities)
        for node in (OLD, NEW, ARM):
            rendered = render(node.runtime_version, node.arch, capabilities, node.kernel).profile
            assert content(profiles, path, node) == audited(rendered)
            assert profiles.enforced(path, node.name) == (rendered, node.arch)
    assert profiles.paths == {profiles.path_for(DEFAULT), profiles.path_for(ADMIN)}
    assert len(profiles.paths) == 2


def test_sets_of_capabilities_that_make_no_difference_share_a_path() -> None:
    profiles = made(DEFAULT, CHOWNLESS)
    assert profiles.path_for(DEFAULT) == profiles.path_for(CHOWNLESS)
    assert [len(profiles.files_on(node)) for node in (OLD, NEW)] == [1, 1]
    assert {row["capabilities"] for row in profiles.rows()} == {"default; default - CHOWN"}


def test_sets_that_differ_on_one_node_only_have_paths_of_their_own() -> None:
    """BPF alone makes a difference from 1.6.9 on."""
    older = Node("older", kernel=KERNEL, runtime_version="1.6.8")
    bpf = bounding(["BPF"])
    assert made(DEFAULT, bpf, nodes=[older]).path_for(bpf) == made(DEFAULT, bpf, nodes=[older]).path_for(DEFAULT)
    both = made(DEFAULT, bpf, nodes=[older, NEW])
    assert both.path_for(bpf) != both.path_for(DEFAULT)
    assert len({one.content for one in both.files_on(older)}) == 1
    assert len({one.content for one in both.files_on(NEW)}) == 2


def test_another_content_on_any_node_is_another_path() -> None:
    paths = {
        made(DEFAULT, nodes=nodes).path_for(DEFAULT)
        for nodes in (
            [OLD],
            [NEW],
            [OLD, NEW],
            [Node("old", runtime_version="1.7.24"), Node("new", runtime_version="2.0.5")],
        )
    }
    assert len(paths) == 4
    renewed = [
        Node("new", kernel=KERNEL, runtime_version="1.6.20"),
        Node("newer", kernel=KERNEL, runtime_version="1.7.24"),
    ]
    assert made(DEFAULT, nodes=renewed).paths.isdisjoint(made(DEFAULT).paths), "another one on the node called new"
    swapped = [
        Node("old", kernel=KERNEL, runtime_version="1.7.24"),
        Node("new", kernel=KERNEL, runtime_version="1.6.20"),
    ]
    assert made(DEFAULT, nodes=swapped).paths.isdisjoint(made(DEFAULT).paths)


def test_a_file_has_one_path_which_its_content_makes() -> None:
    profiles = made(choice=from_file(), nodes=(OLD, NEW, ARM), directory="audit")
    expected = audited(codec.decode(FILE, "p"))
    path = f"aks-seccomp/audit/{hashlib.sha256(expected).hexdigest()[:16]}.json"
    assert profiles.paths == {path} == {profiles.path_for(DEFAULT), profiles.path_for(ALL)}
    assert all([one.content for one in profiles.files_on(node)] == [expected] for node in (OLD, NEW, ARM))
    assert [(row["nodes"], row["arch"], row["containerd"], row["capabilities"]) for row in profiles.rows()] == [
        (["old", "new"], "amd64", "", ""),
        (["arm"], "arm64", "", ""),
    ]


def test_rows_tell_what_is_where() -> None:
    twin = Node("twin", kernel=KERNEL, runtime_version="1.7.24")
    profiles = made(ADMIN, bounding(drop=["ALL"]), bounding(["NET_BIND_SERVICE"], ["ALL"]), nodes=[OLD, NEW, twin])
    rows = profiles.rows()
    assert {row["capabilities"] for row in rows} == {"none; none + NET_BIND_SERVICE", "default + SYS_ADMIN"}
    assert [(row["containerd"], row["arch"], row["nodes"]) for row in rows] == [
        ("1.6.20", "amd64", ["old"]),
        ("1.7.24", "amd64", ["new", "twin"]),
    ] * 2
    for row in rows:
        for name in row["nodes"]:
            node = {"old": OLD, "new": NEW, "twin": twin}[name]
            assert hashlib.sha256(content(profiles, row["localhostProfile"], node)).hexdigest() == row["sha256"]


def test_rows_name_the_containerd_that_was_asked_about() -> None:
    assert [(row["containerd"], row["nodes"]) for row in made(DEFAULT, choice=RuntimeDefault("2.0.5")).rows()] == [
        ("2.0.5", ["old", "new"])
    ]


def test_a_canary_denies_as_the_profile_does() -> None:
    profiles = made(DEFAULT, mode="canary")
    path = profiles.path_for(DEFAULT)
    rendered = render("1.7.24", "amd64", DEFAULT, KERNEL).profile
    assert content(profiles, path, NEW) == codec.encode(to_canary(rendered).profile)
    assert profiles.enforced(path, "new") == (rendered, "amd64")
    assert {placed for placed, _ in profiles.placed()} == {
        to_canary(render(version, "amd64", DEFAULT, KERNEL).profile).profile for version in ("1.6.20", "1.7.24")
    }


def test_each_note_is_said_once_and_assumptions_are_among_them() -> None:
    strange = Node("strange", kernel=KERNEL, runtime_version="1.7.999")
    notes = made(DEFAULT, ADMIN, nodes=[OLD, NEW, strange]).notes
    assert len(set(notes)) == len(notes)
    assert sum("1.7.999 is not known" in note for note in notes) == 1
    assert sum("ENOSYS are kept" in note for note in notes) == 1


def test_an_audit_profile_is_known_as_one() -> None:
    assert made(choice=from_file(FILE.replace(b"ERRNO", b"LOG"))).only_logs
    assert not made(choice=from_file()).only_logs
    assert not made(DEFAULT).only_logs


def test_nothing_is_enforced_where_nothing_is_placed() -> None:
    profiles = made(DEFAULT)
    assert profiles.enforced(profiles.path_for(DEFAULT), "elsewhere") is None
    assert profiles.enforced("aks-seccomp/web.json", "old") is None


def test_a_node_whose_profile_is_not_known_is_named() -> None:
    with pytest.raises(Unsupported, match=r"node ancient .*1\.4\.13"):
        made(DEFAULT, nodes=[OLD, Node("ancient", runtime_version="1.4.13")])


def test_more_profiles_than_a_node_can_get_are_refused() -> None:
    """Each of these capabilities has rules of its own."""
    names = ["SYS_ADMIN", "SYS_TIME", "SYS_NICE", "SYS_PTRACE", "SYSLOG", "BPF"]
    sets = [bounding([name for bit, name in enumerate(names) if number >> bit & 1]) for number in range(MAX_FILES + 1)]
    assert len(made(*sets[:MAX_FILES]).paths) == MAX_FILES
    with pytest.raises(InvalidInput, match=f"{MAX_FILES + 1} different profiles"):
        made(*sets)


def test_a_thousand_nodes_share_a_handful_of_contents() -> None:
    nodes = [
        Node(
            f"n{number}",
            arch=("amd64", "arm64")[number % 2],
            kernel=KERNEL,
            runtime_version=("1.6.20", "1.7.24")[number % 3 > 0],
        )
        for number in range(1000)
    ]
    profiles = made(DEFAULT, ADMIN, nodes=nodes)
    files = [one for node in nodes for one in profiles.files_on(node)]
    assert (len(files), len({id(one.content) for one in files}), len(profiles.rows())) == (2000, 8, 8)


def test_audits_of_one_profile_share_a_path_only_where_they_share_a_directory() -> None:
    one, same, other = (made(DEFAULT, directory=directory) for directory in ("audit/s1", "audit/s1", "audit/s2"))
    assert one.paths == same.paths
    assert not one.paths & other.paths
    assert {path.rpartition("/")[2] for path in one.paths} == {path.rpartition("/")[2] for path in other.paths}
