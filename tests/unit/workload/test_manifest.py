# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Manifests: read as kubectl reads them, bounded, and applied as a copy under the audit profile."""

import json

import pytest

from azext_seccomp.cluster.interface import NAMESPACES, PODS, JsonObject, Resource
from azext_seccomp.errors import Conflict, InvalidInput, NotFound
from azext_seccomp.workload.documents import MAX_DEPTH, MAX_VALUES, read_documents
from azext_seccomp.workload.manifest import MAX_OBJECTS, audited_copy, read_manifest, require_absent, resolve
from azext_seccomp.workload.templates import PathOf, containers_of
from tests.unit.fakes import FakeKube

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: app, image: a}]}\n"
DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments", namespaced=True)
PATH = "aks-seccomp/audit/0123456789abcdef.json"


def documents(text: str) -> list[object]:
    return read_documents(text.encode(), "file")


class TestDocuments:
    def test_several_documents_and_empty_ones(self) -> None:
        assert documents("---\na: 1\n---\n# nothing\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]

    def test_json(self) -> None:
        assert documents('{"a": [1, 2.5, null, true, "x"]}') == [{"a": [1, 2.5, None, True, "x"]}]

    def test_json_with_tabs(self) -> None:
        assert documents('{\n\t"a": 1\n}') == [{"a": 1}]

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("22:22", "22:22"),  # YAML 1.1 has numbers to the base of 60, go-yaml has not
            ("2026-01-01", "2026-01-01"),
            ("0644", 0o644),
            ("0x1f", 31),
            ("1e3", 1000.0),
            ("1.5", 1.5),
            ("-5", -5),
            ("yes", True),
            ("08", "08"),
            ("1.2.3", "1.2.3"),
            ("~", None),
            ("", None),
        ],
    )
    def test_plain_words_mean_what_kubectl_takes_them_for(self, text: str, value: object) -> None:
        (found,) = documents(f"a: {text}\nb: 1")
        assert found == {"a": value, "b": 1}

    def test_an_alias_is_a_copy(self) -> None:
        (found,) = documents("a: &x {b: [1]}\nc: *x\nd: {<<: *x, e: 2}")
        assert found == {"a": {"b": [1]}, "c": {"b": [1]}, "d": {"b": [1], "e": 2}}
        assert isinstance(found, dict)
        assert found["a"] is not found["c"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a: 1\nb: [", "line 3"),
            ("a: 1\na: 2", "line 2: the key 'a' is there twice"),
            ("1: x", "a key is not a string; put it in quotes"),
            ("{a: b}: x", "a key is not a string"),
            ("a: .nan", "nan is not a number that JSON has"),
            ("a: !!binary aGk=", "JSON has no bytes"),
            ("a: !!set {x}", "JSON has no set"),
            ("a: !!timestamp 2026-01-01", "JSON has no date"),
            ("a: !!python/object/apply:os.system [id]", "could not determine a constructor"),
            ("a: !!int x", "cannot be read as YAML"),
            ("a: \0", "cannot be read as YAML"),
            ("&a [*a]", f"nested more than {MAX_DEPTH} levels"),
            ("[" * 5000, "nested"),
            ("- " * 5000, f"nested more than {MAX_DEPTH} levels"),
            ("a: *nobody", "found undefined alias"),
        ],
    )
    def test_what_is_refused(self, text: str, words: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            documents(text)
        assert words in str(refused.value)

    def test_a_little_yaml_that_stands_for_much(self) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
        with pytest.raises(InvalidInput, match=f"more than {MAX_VALUES} values"):
            documents("\n".join(lines))

    def test_too_much(self) -> None:
        with pytest.raises(InvalidInput, match=f"more than {MAX_VALUES} values"):
            documents(json.dumps([0] * (MAX_VALUES + 1)))

    def test_bytes_that_are_no_text(self) -> None:
        with pytest.raises(InvalidInput, match="is not UTF-8 text \\(byte 3\\)"):
            read_documents(b"a: \xff", "file")

    def test_control_characters_do_not_come_through_an_error(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            documents('"a": 1\n"\\e[2Jx": 2\n"\\e[2Jx": 3')
        assert "\x1b" not in str(refused.value)


class TestRead:
    def test_objects_of_lists_are_objects(self) -> None:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": []}}
        inner = {"kind": "List", "items": [{"kind": "PodList", "items": [pod]}]}
        assert read_manifest(json.dumps(inner).encode(), "file") == [pod]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "holds nothing that runs containers"),
            ("kind: Pod", "an object without apiVersion"),
            ("apiVersion: v1", "an object without kind"),
            ("- 1", "a document that is not an object"),
            ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: x}", "a Pod without a name"),
            ("apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: [1]}", "the namespace of Pod x is not text"),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}", "nothing that runs containers"),
        ],
    )
    def test_what_is_refused(self, text: str, words: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            read_manifest(text.encode(), "file")
        assert words in str(refused.value)

    def test_too_many_objects(self) -> None:
        with pytest.raises(InvalidInput, match=f"more than {MAX_OBJECTS} objects"):
            read_manifest((POD + "---\n").encode() * (MAX_OBJECTS + 1), "file")


def resolved(kube: FakeKube, *objects: JsonObject) -> list[tuple[str, str, str]]:
    return [(one.resource.kind, one.namespace, one.name) for one in resolve(kube, objects, "mine")]


def named(api_version: str, kind: str, name: str, namespace: str = "", **more: object) -> JsonObject:
    space = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **space}, **more}


WEB = named("v1", "Pod", "web", spec={"containers": [{"name": "app"}]})


class TestResolve:
    def test_namespaces_come_first_and_what_makes_pods_last(self) -> None:
        kube = FakeKube()
        kube.resources.append(DEPLOYMENTS)
        deployment = named("apps/v1", "Deployment", "d", "other", spec={"template": {"spec": {"containers": []}}})
        settings, space = named("v1", "ConfigMap", "c"), named("v1", "Namespace", "n", "ignored")
        assert resolved(kube, WEB, deployment, settings, space) == [
            ("Namespace", "", "n"),
            ("ConfigMap", "mine", "c"),
            ("Pod", "mine", "web"),
            ("Deployment", "other", "d"),
        ]

    def test_a_kind_that_the_cluster_does_not_serve(self) -> None:
        with pytest.raises(NotFound):
            resolved(FakeKube(), named("example.com/v1", "Thing", "t"))

    def test_the_same_object_twice(self) -> None:
        with pytest.raises(InvalidInput, match="holds Pod mine/web twice"):
            resolved(FakeKube(), WEB, {**WEB, "metadata": {"name": "web", "namespace": "mine"}})

    def test_names_that_lead_elsewhere(self) -> None:
        with pytest.raises(InvalidInput):
            resolved(FakeKube(), named("v1", "Pod", "../../secrets"))

    def test_what_exists_is_refused_by_name(self) -> None:
        kube = FakeKube()
        kube.add(PODS.path("mine", "web"), {})
        kube.add(NAMESPACES.path(name="n"), {})
        objects = resolve(kube, [WEB, named("v1", "Namespace", "n"), named("v1", "ConfigMap", "new")], "mine")
        with pytest.raises(Conflict) as refused:
            require_absent(kube, objects)
        assert refused.value.why == "There are: Namespace n, Pod mine/web."
        assert not kube.made("delete") + kube.made("patch") + kube.made("create")


class TestAuditedCopy:
    def copy(self, body: JsonObject, kind: Resource = PODS, path_of: PathOf = lambda container: PATH) -> JsonObject:
        kube = FakeKube()
        kube.resources.append(kind)
        (one,) = resolve(kube, [body], "mine")
        before = json.dumps(body)
        made = audited_copy(one, "s1", path_of)
        assert json.dumps(body) == before, "the original is not changed"
        return made

    def test_every_container_gets_the_profile_whatever_it_had(self) -> None:
        spec = {
            "securityContext": {"seccompProfile": {"type": "Unconfined"}, "runAsUser": 5},
            "initContainers": [{"name": "i", "securityContext": {"privileged": True}}],
            "containers": [
                {"name": "a", "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 7}},
                {"name": "b", "securityContext": None},
            ],
            "ephemeralContainers": [{"name": "e"}],
        }
        made = self.copy(named("v1", "Pod", "web", spec=spec))["spec"]
        profile = {"type": "Localhost", "localhostProfile": PATH}
        assert made["initContainers"][0]["securityContext"] == {"privileged": True, "seccompProfile": profile}
        assert made["containers"][0]["securityContext"] == {"runAsUser": 7, "seccompProfile": profile}
        assert made["containers"][1]["securityContext"] == {"seccompProfile": profile}
        assert made["ephemeralContainers"][0]["securityContext"] == {"seccompProfile": profile}
        assert made["securityContext"] == spec["securityContext"], "injected sidecars keep what the pod has"

    def test_each_container_can_have_a_profile_of_its_own(self) -> None:
        spec = {"initContainers": [{"name": "i"}], "containers": [{"name": "a"}, {"name": "b"}]}
        made = self.copy(named("v1", "Pod", "web", spec=spec), path_of=lambda container: f"{container['name']}.json")
        paths = [one["securityContext"]["seccompProfile"]["localhostProfile"] for one in containers_of(made["spec"])]
        assert paths == ["i.json", "a.json", "b.json"]

    def test_object_and_template_carry_the_session(self) -> None:
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a"}]}}
        body = named("apps/v1", "Deployment", "web", spec={"template": template}, status={"replicas": 1})
        made = self.copy(body, DEPLOYMENTS)
        labels = made["spec"]["template"]["metadata"]["labels"]
        assert (labels["app"], labels["aks-seccomp/session"]) == ("web", "s1")
        assert made["metadata"]["labels"]["aks-seccomp/session"] == "s1"
        assert "status" not in made

    @pytest.mark.parametrize(
        "spec",
        [
            {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}},
            {"template": {"metadata": None, "spec": {"containers": [{"name": "a"}]}}},
        ],
    )
    def test_templates_are_found_where_kinds_keep_them(self, spec: JsonObject) -> None:
        kind = Resource("batch/v1beta1", "CronJob", "cronjobs", namespaced=True)
        made = json.dumps(self.copy(named("batch/v1beta1", "CronJob", "c", spec=spec), kind))
        assert made.count(PATH) == 1
        assert made.count('"aks-seccomp/session"') == 2

    def test_metadata_of_another_cluster_is_left_out(self) -> None:
        body = named("v1", "Pod", "web", spec={"containers": []})
        body["metadata"] |= {"uid": "u", "resourceVersion": "5"}
        assert set(self.copy(body)["metadata"]) == {"name", "labels"}
