# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""az's own files, written as a sign-in would have left them: no ``az login`` is needed.

Names and keys of the files: azure-cli-core 2.91, _profile.py, cloud.py and auth/identity.py.
"""

import configparser
import json
from pathlib import Path

from tests.stand.cluster.layout import Layout

from .certificates import write_bundle
from .identities import ADMIN, ARM_AUDIENCES, SUBSCRIPTION, TENANT, Account

BUNDLE = "bundle.pem"


def write_az_state(directory: Path, port: int, layout: Layout | None = None, account: Account | None = ADMIN) -> None:
    """Make ``directory`` an AZURE_CONFIG_DIR that is signed in to the stand.

    :param port: of the stand.
    :param account: who is signed in; nobody for None.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_ini(directory / "clouds.config", _cloud(port))
    _write_ini(directory / "config", _settings())
    write_bundle(layout or Layout(), directory / BUNDLE)
    subscriptions = [_subscription(account)] if account else []
    _write(directory / "azureProfile.json", {"installationId": SUBSCRIPTION, "subscriptions": subscriptions})
    entries = [{"client_id": account.name, "tenant": TENANT, "client_secret": account.secret}] if account else []
    _write(directory / "service_principal_entries.json", entries)
    # MSAL keeps tokens by host name, without the port: those of another stand would be taken for this one's. It reads
    # the file again when it changed, and takes no notice when it is gone.
    _write(directory / "msal_token_cache.json", {})


def environment(directory: Path) -> dict[str, str]:
    """What az needs in its environment to use the state in ``directory``, and to ask nobody but the stand."""
    return {
        "AZURE_CONFIG_DIR": str(directory),
        "REQUESTS_CA_BUNDLE": str(directory / BUNDLE),
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no",
    }


def _cloud(port: int) -> dict[str, dict[str, str]]:
    """Settings that az lays over its built-in AzureCloud, whose name stays."""
    base = f"https://localhost:{port}"
    return {
        "AzureCloud": {
            "endpoint_resource_manager": f"{base}/",
            "endpoint_active_directory": f"{base}/adfs",
            "endpoint_active_directory_resource_id": ARM_AUDIENCES[0],
            "endpoint_management": ARM_AUDIENCES[0],
            "endpoint_microsoft_graph_resource_id": f"{base}/graph",
            "subscription": SUBSCRIPTION,
        }
    }


def _settings() -> dict[str, dict[str, str]]:
    core = {"collect_telemetry": "no", "survey_message": "no", "no_color": "yes", "display_region_identified": "no"}
    return {"cloud": {"name": "AzureCloud"}, "core": core, "extension": {"use_dynamic_install": "no"}}


def _subscription(account: Account) -> dict[str, object]:
    return {
        "id": SUBSCRIPTION,
        "name": "Stand",
        "state": "Enabled",
        "isDefault": True,
        "tenantId": TENANT,
        "homeTenantId": TENANT,
        "environmentName": "AzureCloud",
        "managedByTenants": [],
        "user": {"name": account.name, "type": "servicePrincipal"},
    }


def _write_ini(file: Path, content: dict[str, dict[str, str]]) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(content)
    file.touch(mode=0o600)
    with file.open("w") as stream:
        parser.write(stream)


def _write(file: Path, content: object) -> None:
    file.touch(mode=0o600)
    file.write_text(json.dumps(content))
