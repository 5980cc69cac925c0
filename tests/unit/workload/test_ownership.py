# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Entries of managedFields as an API server (1.20) wrote them for Deployments that an audit changed and put back."""

import copy
import json
from typing import Any

import msgspec
import pytest

from azext_seccomp.cluster.interface import JsonObject
from azext_seccomp.workload.ownership import OwnedContainer, ProfileOwner, given_back, owners_of

# kubectl apply --server-side --field-manager=gitops
APPLIED = (
    '{"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":'
    '{"f:containers":{"k:{\\"name\\":\\"app\\"}":{".":{},"f:command":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{}'
    ',"f:securityContext":{"f:runAsNonRoot":{},"f:seccompProfile":{"f:type":{}}}}},'
    '"f:terminationGracePeriodSeconds":{}}}}}'
)
# kubectl apply, and what is left of it once somebody else has changed the type
UPDATED = (
    '{"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}}},"f:spec":'
    '{"f:replicas":{},"f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{}},"f:type":{}},"f:template":{"f:spec":'
    '{"f:containers":{"k:{\\"name\\":\\"app\\"}":{".":{},"f:image":{},"f:name":{},"f:resources":{},'
    '"f:securityContext":{".":{},"f:seccompProfile":{".":{},"f:type":{}}}}},"f:securityContext":{}}}}}'
)
OURS = (
    '{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\\"name\\":\\"app\\"}":{"f:securityContext":'
    '{"f:seccompProfile":{"f:type":{}}}}}}}}}'
)
STATUS = '{"f:status":{"f:conditions":{".":{},"k:{\\"type\\":\\"Available\\"}":{".":{},"f:type":{}}}}}'


def entry(manager: str, operation: str, fields: str, **more: Any) -> JsonObject:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "apps/v1",
        "time": "2026-11-28T15:14:35Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": json.loads(fields),
        **more,
    }


GITOPS = entry("gitops", "Apply", APPLIED)
KUBECTL = entry("kubectl-client-side-apply", "Update", UPDATED)
CONTROLLER = entry("kube-controller-manager", "Update", STATUS)
WE = entry("az-aks-seccomp", "Update", OURS)


def owners(*managed: JsonObject) -> tuple[ProfileOwner, ...]:
    return owners_of({"metadata": {"managedFields": list(managed)}}, "containers", "app")


def without(found: JsonObject, field: str) -> JsonObject:
    """The entry after somebody else has written this field of the profile."""
    lost = copy.deepcopy(found)
    context = lost["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"app"}'][
        "f:securityContext"
    ]
    del context["f:seccompProfile"][field]
    if not context["f:seccompProfile"]:
        del context["f:seccompProfile"]
    return lost


def back(managed: list[JsonObject], *before: ProfileOwner) -> list[JsonObject] | None:
    return given_back(managed, "apps/v1", [OwnedContainer("containers", "app", before)])


def test_whose_a_profile_is() -> None:
    assert owners(CONTROLLER, KUBECTL, GITOPS) == (
        ProfileOwner("gitops", "Apply", "apps/v1", ("type",)),
        ProfileOwner("kubectl-client-side-apply", "Update", "apps/v1", (".", "type")),
    )
    assert owners(CONTROLLER) == owners() == ()
    assert owners_of({"metadata": {"managedFields": [GITOPS]}}, "initContainers", "app") == ()
    assert owners_of({"metadata": {"managedFields": [GITOPS]}}, "containers", "side") == ()


def test_a_map_that_is_owned_as_a_whole() -> None:
    whole = entry("x", "Apply", OURS.replace('{"f:type":{}}', "{}"))
    assert owners(whole) == (ProfileOwner("x", "Apply", "apps/v1", (".",)),)


def test_what_is_written_to_a_subresource_is_no_claim() -> None:
    assert owners({**GITOPS, "subresource": "scale"}) == ()


@pytest.mark.parametrize("managed", [[GITOPS], [KUBECTL], [GITOPS, KUBECTL], []])
def test_all_is_as_it_was(managed: list[JsonObject]) -> None:
    managed = [*managed, CONTROLLER]
    after = [*(without(one, "f:type") for one in managed[:-1]), CONTROLLER, WE]
    kept = copy.deepcopy(after)
    assert back(after, *owners(*managed)) == managed
    assert after == kept, "the argument was changed"


def test_an_owner_of_nothing_else_gets_an_entry_again() -> None:
    only = entry("tuner", "Apply", OURS)
    assert back([CONTROLLER, WE], *owners(only)) == [CONTROLLER, only]


def test_what_was_ours_before_stays_ours() -> None:
    assert back([WE], *owners(WE)) is None
    assert back([without(GITOPS, "f:type"), WE], *owners(GITOPS, WE)) is None, "it was never taken from anybody"


def test_other_fields_of_ours_stay_ours() -> None:
    fields = OURS.replace('"f:spec":{"f:template"', '"f:spec":{"f:paused":{},"f:template"', 1)
    (ours,) = back([entry("az-aks-seccomp", "Update", fields)]) or []
    assert ours["fieldsV1"] == {"f:spec": {"f:paused": {}}}


def test_what_is_not_ours_is_not_given_away() -> None:
    other = entry("other", "Apply", OURS)
    assert back([other], *owners(GITOPS)) is None
    assert back([{**WE, "operation": "Apply"}], *owners(GITOPS)) is None
    assert back([]) is None


def test_it_is_done_once() -> None:
    before = owners(GITOPS)
    done = back([without(GITOPS, "f:type"), CONTROLLER, WE], *before)
    assert done is not None
    assert back(done, *before) is None


def test_a_whole_map_that_gets_fields_below_it_stays_owned() -> None:
    whole = entry("x", "Update", OURS.replace('{"f:type":{}}', "{}"))
    (given,) = back([whole, WE], *owners(entry("x", "Update", OURS.replace('"f:type"', '".":{},"f:type"')))) or []
    assert given["fieldsV1"] == json.loads(OURS.replace('"f:type"', '".":{},"f:type"'))


def test_owners_survive_the_journal_and_nonsense_does_not() -> None:
    data = msgspec.json.encode(owners(GITOPS, KUBECTL))
    assert msgspec.json.decode(data, type=tuple[ProfileOwner, ...]) == owners(GITOPS, KUBECTL)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(data.replace(b'"type"', b'"image"'), type=tuple[ProfileOwner, ...])
