# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Kubeconfigs as AKS hands them out, and such as it never should."""

import base64
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.cluster.credentials import AKS_SERVER_APP, KUBECONFIG_LIMIT, EntraLogin, parse_kubeconfig
from azext_seccomp.errors import InvalidInput, SeccompError, Unsupported

TENANT = "11111111-1111-1111-1111-111111111111"
SECRET = "the-secret-of-this-file"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig(cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> dict[str, Any]:
    """A local account's, with changes; a value of None takes a key away."""
    standard_cluster = {"server": "https://shop.azmk8s.io:443", "certificate-authority-data": encoded("CA")}
    standard_user = {"client-certificate-data": encoded("CERT"), "client-key-data": encoded("KEY"), "token": SECRET}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "shop",
        "contexts": [
            {"name": "other", "context": {"cluster": "other", "user": "other"}},
            {"name": "shop", "context": {"cluster": "shop", "user": "clusterUser_rg_shop"}},
        ],
        "clusters": [{"name": "shop", "cluster": changed(standard_cluster, cluster)}],
        "users": [{"name": "clusterUser_rg_shop", "user": changed(standard_user, user)}],
    }


def changed(standard: dict[str, Any], change: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in {**standard, **(change or {})}.items() if value is not None}


def kubelogin(*arguments: str, command: str = "kubelogin") -> dict[str, Any]:
    login = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": command, "args": list(arguments)}
    return {"client-certificate-data": None, "client-key-data": None, "token": None, "exec": login}


AKS_ARGUMENTS = ("get-token", "--environment", "AzurePublicCloud", "--server-id", AKS_SERVER_APP, "--tenant-id", TENANT)


def parse(config: Any) -> Any:
    return parse_kubeconfig(yaml.safe_dump(config).encode())


def test_a_local_account() -> None:
    found = parse(kubeconfig({"tls-server-name": "shop", "proxy-url": "http://proxy:3128"}))
    assert found.server == "https://shop.azmk8s.io:443"
    assert (found.authority, found.client_certificate, found.client_key) == (b"CA", b"CERT", b"KEY")
    assert (found.token, found.tls_server_name, found.proxy_url) == (SECRET, "shop", "http://proxy:3128")
    assert found.entra is None


def test_secrets_are_not_in_its_repr() -> None:
    shown = repr(parse(kubeconfig()))
    assert SECRET not in shown
    assert "KEY" not in shown


@pytest.mark.parametrize("command", ["kubelogin", "/usr/local/bin/kubelogin", r"C:\tools\kubelogin.exe"])
def test_an_entra_cluster_is_signed_in_to_without_kubelogin(command: str) -> None:
    found = parse(kubeconfig(user=kubelogin(*AKS_ARGUMENTS, "--login", "devicecode", command=command)))
    assert found.entra == EntraLogin(AKS_SERVER_APP, TENANT)
    assert found.token == ""


def test_arguments_with_an_equals_sign() -> None:
    found = parse(kubeconfig(user=kubelogin("get-token", f"--server-id={AKS_SERVER_APP}", f"--tenant-id={TENANT}")))
    assert found.entra == EntraLogin(AKS_SERVER_APP, TENANT)


def test_without_a_tenant_it_is_the_accounts_own() -> None:
    assert parse(kubeconfig(user=kubelogin("--server-id", AKS_SERVER_APP))).entra == EntraLogin(AKS_SERVER_APP, "")


@pytest.mark.parametrize(
    "login",
    [
        kubelogin("get-token", "--server-id", "https://management.azure.com/"),
        kubelogin("get-token", "--server-id"),
        kubelogin("get-token"),
        kubelogin(*AKS_ARGUMENTS, command="sh"),
        kubelogin(*AKS_ARGUMENTS, command="/tmp/evil-kubelogin"),
        kubelogin(*AKS_ARGUMENTS, command="kubelogin\n"),
        {"exec": "kubelogin"},
        {"exec": {"command": "kubelogin", "args": [["--server-id"], {}]}},
        {"exec": {"command": "kubelogin", "args": "--server-id"}},
    ],
)
def test_no_token_is_asked_for_another_application_and_no_program_is_run(login: dict[str, Any]) -> None:
    with pytest.raises(SeccompError) as caught:
        parse(kubeconfig(user=login))
    assert "management.azure.com" not in str(vars(caught.value))


@pytest.mark.parametrize("tenant", ["../../common", "a b", "x\ny", "-x", "a" * 200])
def test_a_tenant_that_is_none(tenant: str) -> None:
    with pytest.raises(InvalidInput):
        parse(kubeconfig(user=kubelogin("--server-id", AKS_SERVER_APP, "--tenant-id", tenant)))


@pytest.mark.parametrize(
    "server",
    [
        "http://shop.azmk8s.io",
        "shop.azmk8s.io",
        "",
        None,
        7,
        "https://",
        "https://user:pw@shop.azmk8s.io",
        "https://shop.azmk8s.io/?x=y",
        "https://shop.azmk8s.io\r\nHost: evil",
        "https://shop.azmk8s.io:99999",
        "file:///etc/shadow",
    ],
)
def test_a_server_that_is_no_plain_https_address(server: Any) -> None:
    with pytest.raises(InvalidInput):
        parse(kubeconfig({"server": server}))


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        ({"certificate-authority": "/etc/shadow"}, {}),
        ({}, {"client-key": "/root/.ssh/id_rsa"}),
        ({}, {"client-certificate": "cert.pem"}),
        ({}, {"tokenFile": "/var/run/secrets/token"}),
        ({}, {"auth-provider": {"name": "azure"}}),
        ({}, {"username": "admin", "password": SECRET}),
        ({}, {"as": "system:admin"}),
        ({"proxy-url": "socks5://proxy:1080"}, {}),
        ({"proxy-url": "http://"}, {}),
    ],
)
def test_what_this_extension_does_not_follow(cluster: dict[str, Any], user: dict[str, Any]) -> None:
    with pytest.raises(Unsupported) as caught:
        parse(kubeconfig(cluster, user))
    assert SECRET not in str(vars(caught.value))


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        ({"insecure-skip-tls-verify": True}, {}),
        ({"certificate-authority-data": None}, {}),
        ({"certificate-authority-data": "%%%"}, {}),
        ({"certificate-authority-data": ["x"]}, {}),
        ({}, {"client-key-data": None}),
        ({}, {"client-certificate-data": None}),
        ({}, {"token": ["x"]}),
    ],
)
def test_what_is_malformed_or_unsafe(cluster: dict[str, Any], user: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(kubeconfig(cluster, user))
    assert SECRET not in str(vars(caught.value))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"a: [",
        b"\xff\xfe\x00",
        b"[" * 50_000,
        b"x: 2001-99-99",
        b"!!python/object/apply:os.system ['true']",
        b"current-context: x\ncontexts: {}\n",
        b"current-context: x\ncontexts: [{name: x}]\n",
        b"current-context: [x]\n",
        b" " * (KUBECONFIG_LIMIT + 1),
    ],
)
def test_what_is_no_kubeconfig(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_kubeconfig(content)


def test_aliases_do_not_multiply() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 40))
    with pytest.raises(InvalidInput):
        parse_kubeconfig((bomb + "clusters: *a39\n").encode())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["clusters", "users", "contexts", "current-context", "name", "cluster", "user", "context", "exec"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_shape_is_refused_in_our_own_words(config: Any) -> None:
    with pytest.raises(SeccompError):
        parse(config)
