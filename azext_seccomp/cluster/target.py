# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The API server that errors speak of."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Target:
    """The API server that errors speak of, with what ARM tells about the way to it.

    :param entra: the caller is identified by an Entra token.
    :param address_ranges: the server admits connections from listed addresses only.
    """

    server: str
    cluster: str = ""
    resource_group: str = ""
    private: bool = False
    run_command: bool = True
    address_ranges: bool = False
    entra: bool = False

    @property
    def host(self) -> str:
        """Host name of the server."""
        return urlsplit(self.server).hostname or self.server

    @property
    def is_private(self) -> bool:
        """Whether only machines in (or connected to) the cluster's network reach the server."""
        return self.private or ".privatelink." in self.host

    def __str__(self) -> str:
        return f"The API server of cluster {self.cluster}" if self.cluster else f"The API server {self.host}"

    def az(self, words: str) -> str:
        """An az command about this cluster."""
        return f"az aks {words} -g {self.resource_group} -n {self.cluster}"
