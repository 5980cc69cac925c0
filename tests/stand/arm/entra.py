# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Entra ID: tokens for service principals, and the webhook by which the API server checks them.

The authority has the form of ADFS (``/adfs``), because MSAL accepts one on any host without asking Microsoft about it
(MSAL, authority.py). az is pointed at it by ``endpoint_active_directory`` in clouds.config.
"""

from typing import Any

from .http import Request, Response, Service
from .identities import ACCOUNTS, AKS_SERVER_APP, ARM_AUDIENCES
from .tokens import LIFETIME_SECONDS, Issuer

AUTHORITY = "/adfs"
TOKEN_PATH = "/adfs/oauth2/token"
REVIEW_PATH = "/_stand/tokenreview"


def entra(base: str, issuer: Issuer) -> Service:
    """The service that answers requests for tokens and reviews.

    :param base: ``https://localhost:<port>``.
    """

    def answer(request: Request) -> Response | None:
        path = request.path.rstrip("/")
        if path == f"{AUTHORITY}/.well-known/openid-configuration":
            return Response(200, _configuration(base))
        if request.method == "POST" and path == TOKEN_PATH:
            return _token(request.form(), issuer)
        if request.method == "POST" and path == REVIEW_PATH:
            return Response(200, _review(request.json(), issuer))
        return None

    return answer


def _configuration(base: str) -> dict[str, Any]:
    return {
        "issuer": base + AUTHORITY,
        "authorization_endpoint": base + AUTHORITY + "/oauth2/authorize",
        "token_endpoint": base + TOKEN_PATH,
        "jwks_uri": base + AUTHORITY + "/discovery/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "scopes_supported": ["openid"],
    }


def _token(form: dict[str, str], issuer: Issuer) -> Response:
    account = ACCOUNTS.get(form.get("client_id", ""))
    if account is None or form.get("client_secret") != account.secret:
        words = "AADSTS7000215: Invalid client secret provided."  # Entra's own
        return Response(401, {"error": "invalid_client", "error_description": words, "error_codes": [7000215]})
    audience = form.get("scope", "").partition(" ")[0].removesuffix("/.default")
    if audience != AKS_SERVER_APP and audience not in ARM_AUDIENCES:
        words = f"AADSTS500011: The resource principal named {audience} was not found in the tenant."
        return Response(400, {"error": "invalid_resource", "error_description": words, "error_codes": [500011]})
    token = issuer.issue(audience, account)
    return Response(200, {"token_type": "Bearer", "expires_in": LIFETIME_SECONDS, "access_token": token})


def _review(review: dict[str, Any], issuer: Issuer) -> dict[str, Any]:
    """Answer a TokenReview (authentication.k8s.io/v1) as AKS's webhook does: a service principal's name is its object
    id, its groups are object ids.
    """
    claims = issuer.read(review.get("spec", {}).get("token", ""))
    status: dict[str, Any] = {"authenticated": False}
    if claims and claims["aud"] == AKS_SERVER_APP:
        user = {"username": claims["oid"], "uid": claims["oid"], "groups": claims["groups"]}
        status = {"authenticated": True, "user": user}
    return {"apiVersion": review.get("apiVersion"), "kind": "TokenReview", "status": status}
