# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import pytest

from azext_seccomp.errors import InvalidInput
from azext_seccomp.workload.kinds import KINDS
from azext_seccomp.workload.reference import Reference, parse_reference


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("deploy/web", ("Deployment", "web")),
        ("Deployment/web", ("Deployment", "web")),
        ("DEPLOYMENTS/web.v2", ("Deployment", "web.v2")),
        ("deployments.apps/web", ("Deployment", "web")),
        ("deployments.v1.apps/web", ("Deployment", "web")),
        ("sts", ("StatefulSet", "")),
        ("ds", ("DaemonSet", "")),
        ("rs/x", ("ReplicaSet", "x")),
        ("cronjobs.batch/x", ("CronJob", "x")),
        ("cronjobs.v1beta1.batch/x", ("CronJob", "x")),
        ("po/x", ("Pod", "x")),
        ("pods.v1./x", ("Pod", "x")),
        ("all", ("", "")),
        ("All", ("", "")),
    ],
)
def test_words_are_read_as_kubectl_reads_them(word: str, expected: tuple[str, str]) -> None:
    assert parse_reference(word) == expected


@pytest.mark.parametrize(
    "word",
    ["", "/", "/web", "deploy/", "deploy/a/b", "deploy/..", "deploy/Web", "deploy/-a", "deploy/a\n", "all/web",
     "deployments.batch/web", "deployments.v2.apps/web", "pod.x/web", "services/web", "deploy/" + "a" * 254],
)  # fmt: skip
def test_what_names_no_workload_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput):
        parse_reference(word)


def test_a_slip_of_the_pen_is_answered_with_what_was_meant() -> None:
    with pytest.raises(InvalidInput) as error:
        parse_reference("deploymnet/web")
    assert "Did you mean deployment?" in error.value.what


def test_hostile_words_are_shown_harmless() -> None:
    with pytest.raises(InvalidInput) as error:
        parse_reference("\x1b[2J/web")
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reference_reads_back_as_itself(kind: str) -> None:
    for name in ("", "web"):
        assert parse_reference(str(Reference(kind, name))) == (kind, name)
