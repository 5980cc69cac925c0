# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
from azext_seccomp.node.answer import Entry
from azext_seccomp.node.inventory import Node
from azext_seccomp.node.listing import rows
from azext_seccomp.node.placement import NodeListing


def entry(path: str, sha256: str = "a" * 64) -> Entry:
    return Entry(path, "file", sha256, 3)


def everywhere(*listings: NodeListing) -> dict[tuple[str, str], bool]:
    return {(row["node"], row["localhostProfile"]): row["onAllNodes"] for row in rows(listings) if row["sha256"]}


def test_a_file_is_on_all_nodes_when_each_has_it_with_the_same_content() -> None:
    both, changed, alone = entry("both"), entry("changed"), entry("alone")
    assert everywhere(
        NodeListing("n1", "p", (both, changed, alone), 3),
        NodeListing("n2", "p", (both, entry("changed", "b" * 64)), 2),
    ) == {
        ("n1", "both"): True,
        ("n2", "both"): True,
        ("n1", "changed"): False,
        ("n2", "changed"): False,
        ("n1", "alone"): False,
    }


def test_a_node_that_could_not_be_asked_counts_as_one_that_lacks_the_file() -> None:
    listings = [NodeListing("n1", "p", (entry("x"),), 1), NodeListing("n2", "p", failure="ErrImagePull")]
    first, second = rows(listings)
    assert not first["onAllNodes"]
    assert (second["status"], second["detail"]) == ("failed", "ErrImagePull")


def test_ours_and_others_are_told_apart_by_the_path() -> None:
    found = rows([NodeListing("n1", "p", (entry("aks-seccomp/x.json"), entry("aks-seccomp-not/x.json")), 2)])
    assert [row["ours"] for row in found] == [True, False]


def test_every_node_is_in_the_result() -> None:
    listings = [NodeListing("n1", "p"), NodeListing("n2", "p", (entry("x"),), 9)]
    found = rows(listings, [(Node("w1", "win"), "seccomp needs Linux")])
    assert [(row["node"], row["status"], row["detail"]) for row in found] == [
        ("n1", "empty", "no profile file is there"),
        ("n2", "found", ""),
        ("n2", "cut", "8 more entries are not listed"),
        ("w1", "skipped", "seccomp needs Linux"),
    ]
    assert all(row.keys() == found[0].keys() for row in found)


def test_names_given_by_others_are_fit_for_a_terminal() -> None:
    hostile = Entry("\x1b[2J\udcff", "link", "", None)
    (row,) = rows([NodeListing("n1", "p", (hostile,), 1)])
    assert row["localhostProfile"] == "\\x1b[2J\\udcff"
    assert row["detail"] == "a symbolic link"


def test_what_could_not_be_read_is_shown_with_the_reason() -> None:
    entries = (Entry("huge", "file", "", 1 << 40), Entry("dir", "closed", "", None), Entry("pipe", "other", "", None))
    details = [row["detail"] for row in rows([NodeListing("n1", "p", entries, 3)])]
    assert details == [
        "too large for a profile, or the installer may not read it",
        "a directory that the installer may not read",
        "not a file",
    ]
