# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Names, address ranges and ports of the stand."""

from pathlib import Path

from tests.stand.cluster.build import _tagged_directories
from tests.stand.cluster.layout import Layout, node_name, pool_name
from tests.stand.other_stand import OTHER_LAYOUT


def test_nodes_alternate_between_two_pools() -> None:
    assert [pool_name(index) for index in (1, 2, 3, 4)] == ["nodepool1", "nodepool2", "nodepool1", "nodepool2"]
    names = [node_name(index) for index in range(1, 100)]
    assert names[0] == "aks-nodepool1-31415926-vmss000000"
    assert names[3] == "aks-nodepool2-31415926-vmss000001"
    assert len(set(names)) == len(names)


def test_each_node_has_a_subnet_of_its_own() -> None:
    layout = Layout()
    assert [layout.pod_subnet(index) for index in (1, 2)] == ["10.243.1.0/24", "10.243.2.0/24"]


def test_two_stands_share_no_port_and_no_range() -> None:
    one, two = Layout(), Layout(state=Path("/var/tmp/aks-other"), **OTHER_LAYOUT)  # type: ignore[arg-type]
    ports = [
        {layout.secure_port + offset for offset in range(3)}
        | {layout.etcd_port, layout.etcd_port + 1, layout.fake_kubelet_port}
        | {layout.kubelet_port + 2 * index + half for index in range(1, 20) for half in (0, 1)}
        for layout in (one, two)
    ]
    assert not ports[0] & ports[1]
    ranges = [{layout.service_range, layout.pod_range, layout.bridge(1), layout.name} for layout in (one, two)]
    assert not ranges[0] & ranges[1]


def test_directories_with_served_types_are_found_through_links(tmp_path: Path) -> None:
    staging = tmp_path / "staging" / "api" / "core"
    staging.mkdir(parents=True)
    (staging / "doc.go").write_text("// +k8s:openapi-gen=true\npackage core\n")
    (staging / "zz_generated.go").write_text("// +k8s:openapi-gen=true\n")
    vendored = tmp_path / "vendor" / "k8s.io"
    vendored.mkdir(parents=True)
    (vendored / "api").symlink_to("../../staging/api")
    for name in ("code-generator", "plain"):
        (vendored / name).mkdir()
        (vendored / name / "doc_test.go").write_text("// +k8s:openapi-gen=true\n")
    (vendored / "code-generator" / "doc.go").write_text("// +k8s:openapi-gen=true\n")
    assert _tagged_directories(tmp_path) == ["vendor/k8s.io/api/core"]
