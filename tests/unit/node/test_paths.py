# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest

from azext_seccomp.errors import InvalidInput
from azext_seccomp.node.paths import MAX_FILE_BYTES, own_path, profile_file, stable_path


def test_the_same_content_has_the_same_name_and_another_content_another() -> None:
    first, again, other = profile_file(b"{}"), profile_file(b"{}"), profile_file(b"{ }")
    assert first == again
    assert first.path == "aks-seccomp/44136fa355b3678a.json"
    assert first.sha256.startswith("44136fa355b3678a")
    assert other.path != first.path


@pytest.mark.parametrize("name", ["web", "web.json", "aks-seccomp/web", "aks-seccomp/web.json"])
def test_a_name_may_be_written_as_the_result_shows_it(name: str) -> None:
    assert stable_path(name) == "aks-seccomp/web.json"


def test_names_may_have_directories() -> None:
    assert profile_file(b"{}", "team-a/v1.2/web").path == "aks-seccomp/team-a/v1.2/web.json"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/cron.d/x",
        "..",
        "../x",
        "a/../../x",
        "a/..",
        "./a",
        "a//b",
        "a/",
        "/",
        ".hidden",
        ".new-s1-0",
        "-rf",
        "a b",
        "a\nb",
        "a\x00b",
        "\x1b[2J",
        "ünï",
        "a\\b",
        "$(x)",
        "x" * 101,
        "/".join(["abcdefghi"] * 20),
        ".json",
        "aks-seccomp/",
        "aks-seccomp/../x",
    ],
)
def test_refuses_names_that_could_leave_the_directory_or_be_read_as_something_else(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        stable_path(name)
    assert refused.value.what.isprintable()


@pytest.mark.parametrize(
    "path", ["web.json", "operator/ns/web.json", "aks-seccomp/../a.json", "aks-seccomp/web", "aks-seccomp"]
)
def test_a_file_of_others_is_not_ours_to_remove(path: str) -> None:
    with pytest.raises(InvalidInput):
        own_path(path)


def test_content_has_to_fit_into_a_config_map() -> None:
    assert profile_file(b" " * MAX_FILE_BYTES, "x").path == "aks-seccomp/x.json"
    with pytest.raises(InvalidInput, match="1048577 bytes"):
        profile_file(b" " * (MAX_FILE_BYTES + 1), "x")
