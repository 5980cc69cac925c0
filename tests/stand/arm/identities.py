# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Who and what there is in the tenant."""

from dataclasses import dataclass

TENANT = "11111111-1111-1111-1111-111111111111"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
RESOURCE_GROUP = "rg1"
LOCATION = "westeurope"

#: Audience of tokens for an Entra-integrated API server, in all clouds (kubelogin, docs/book/src/concepts/aks.md).
AKS_SERVER_APP = "6dae42f8-4368-4678-94ff-3960e28e3630"
#: The public client that AKS writes into kubeconfigs (same document).
AKS_CLIENT_APP = "80faf920-1908-4b52-b5ef-a8e7bedfc67a"
#: What az asks for, in its spellings (azure-cli-core, cloud.py: active_directory_resource_id and resource_manager).
ARM_AUDIENCES = (
    "https://management.core.windows.net/",
    "https://management.azure.com/",
    "https://management.azure.com",
)

ADMIN_GROUP = "44444444-4444-4444-4444-444444444444"
LIMITED_GROUP = "55555555-5555-5555-5555-555555555555"
OPERATOR_GROUP = "77777777-7777-7777-7777-777777777777"


@dataclass(frozen=True)
class Account:
    """A service principal.

    :param groups: object ids of its groups, which is what the API server's RBAC sees.
    """

    name: str
    object_id: str
    secret: str
    groups: tuple[str, ...]


ADMIN = Account("stand-admin", "22222222-2222-2222-2222-222222222222", "stand-admin-secret", (ADMIN_GROUP,))
#: May look at nodes, pods and namespaces, and nothing else.
LIMITED = Account("stand-limited", "33333333-3333-3333-3333-333333333333", "stand-limited-secret", (LIMITED_GROUP,))
#: May do nothing, unless a test grants it.
OPERATOR = Account("stand-operator", "66666666-6666-6666-6666-666666666666", "stand-operator-secret", (OPERATOR_GROUP,))

ACCOUNTS = {account.name: account for account in (ADMIN, LIMITED, OPERATOR)}
