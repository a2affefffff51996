"""The OAuth provider's part of the OpenAPI document."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_TEXTS: Json = {"type": "array", "items": _TEXT}
_UUID: Json = {"type": "string", "format": "uuid"}
_INSTANT: Json = {"type": "string", "format": "date-time"}
_FORM = "application/x-www-form-urlencoded"
_HTML = {"text/html": {"schema": _TEXT}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Json, description: str = "Done") -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _page(description: str) -> Json:
    return {"description": description, "content": _HTML}


def _refused(*statuses: int) -> dict[str, Json]:
    reasons = {
        400: "The request is not valid",
        401: "The credential is missing or not valid",
        403: "The caller may not do this",
        404: "There is no such thing",
        409: "It does not fit what is there",
        429: "Too many attempts",
    }
    return {str(status): {"description": reasons[status]} for status in statuses}


def _body(schema: Json, *kinds: str) -> Json:
    return {"required": True, "content": {kind: {"schema": schema} for kind in kinds or ("application/json",)}}


def _form(*fields: str) -> Json:
    """Describe the form of a page: hidden fields that it was given, and what a person fills in."""
    steps = ("step", "csrf", "email", "password", "code", "ceremony", "credential")
    return _body({"type": "object", "properties": dict.fromkeys((*steps, *fields), _TEXT)}, _FORM)


def _query(*names: str) -> list[Json]:
    return [{"name": name, "in": "query", "required": False, "schema": _TEXT} for name in names]


def _operation(summary: str, responses: dict[str, Json], *, public: bool = False, **members: Any) -> Json:
    security: list[Json] = [] if public else [{"bearerAuth": []}]
    return {"tags": ["auth"], "summary": summary, "responses": responses, "security": security, **members}


def _client_call(summary: str, answer: Json, *fields: str) -> Json:
    """Describe a call that a client makes with its own credentials."""
    names = ("client_id", "client_secret", *fields)
    schema = {"type": "object", "properties": dict.fromkeys(names, _TEXT)}
    return _operation(
        summary,
        {"200": answer, **_refused(400, 401)},
        public=True,
        requestBody=_body(schema, _FORM, "application/json"),
    )


_ID = [{"name": "client_id", "in": "path", "required": True, "schema": _TEXT}]
_AUTHORIZE = (
    *("client_id", "response_type", "redirect_uri", "code_challenge", "code_challenge_method", "scope", "state"),
    *("nonce", "prompt", "max_age", "login_hint"),
    # These two begin a sign-in with another provider instead; see `/providers`.
    *("provider", "redirect_to"),
)
_DISCOVERY = {"get": _operation("The discovery document", {"200": _json(_ref("AuthDiscovery"))}, public=True)}
_USERINFO = _operation(
    "What the token's scopes tell about its user", {"200": _json({"type": "object"}), **_refused(401, 403)}
)
_SEEN = _ref("AuthOAuthClient")
_SECRET = _ref("AuthOAuthClientWithSecret")

# At the root of the host, not below the plugin's prefix.
ROOT_PATHS: dict[str, Json] = {"/.well-known/oauth-authorization-server/auth/v1": _DISCOVERY}

PATHS: dict[str, Json] = {
    "/authorize": {
        "get": _operation(
            "Sign in in a browser and send it back with a code; with `provider`, sign in with that provider",
            {
                "200": _page("A form: sign-in, second factor or consent"),
                "303": {"description": "Back to the client, with a code or an error; with `provider`, to the provider"},
                "400": _page("Client, redirect_uri or redirect_to unknown"),
                **_refused(404, 429),
            },
            public=True,
            parameters=_query(*_AUTHORIZE),
        ),
        "post": _operation(
            "Take a form of the sign-in",
            {
                "200": _page("The next form"),
                "303": {"description": "Back to the client, with a code or an error"},
                "400": _page("Client or redirect_uri unknown"),
                "401": _page("The form again: wrong password or code"),
                "403": _page("The form again: it came from elsewhere"),
                "429": _page("The form again: too many attempts"),
            },
            public=True,
            requestBody=_form("decision", "scopes", *_AUTHORIZE[:11]),
        ),
    },
    "/device/code": {"post": _client_call("Ask for the codes of a device", _json(_ref("AuthDeviceCodes")), "scope")},
    "/device": {
        "get": _operation(
            "The page where a device is approved",
            {"200": _page("A form")},
            public=True,
            parameters=_query("user_code"),
        ),
        "post": _operation(
            "Take a form of the device page",
            {
                "200": _page("The next form"),
                "404": _page("No device waits with this code"),
                **_refused(400, 401, 403, 429),
            },
            public=True,
            requestBody=_form("user_code", "decision"),
        ),
    },
    "/account": {
        "get": _operation(
            "The page where somebody adds and removes second factors",
            {"200": _page("The account, or a form: sign-in or second factor")},
            public=True,
        ),
        "post": _operation(
            "Take a form of the account page",
            {
                "200": _page("The account, or the next form"),
                "400": _page("The account, with what is wrong"),
                "401": _page("The form again: wrong password, code or passkey"),
                "403": _page("The form again: it came from elsewhere, or a second factor must be shown anew"),
                "404": _page("No such second factor"),
                "409": _page("The account, with what is in the way"),
                "429": _page("The form again: too many attempts"),
            },
            public=True,
            requestBody=_form("factor_id", "name"),
        ),
    },
    "/introspect": {
        "post": _client_call("What a token is worth", _json({"type": "object"}), "token", "token_type_hint")
    },
    "/revoke": {
        "post": _client_call("End what a token belongs to", _json({"type": "object"}), "token", "token_type_hint")
    },
    "/userinfo": {"get": _USERINFO, "post": _USERINFO},
    "/user/consents": {
        "get": _operation(
            "What the caller allowed applications",
            {"200": _json({"type": "array", "items": _ref("AuthConsent")}), **_refused(401, 403)},
        )
    },
    "/user/consents/{client_id}": {
        "delete": _operation(
            "Withdraw a consent", {"204": {"description": "Withdrawn"}, **_refused(401, 403, 404)}, parameters=_ID
        )
    },
    "/oauth/clients": {
        "get": _operation(
            "The OAuth clients of an organisation",
            {"200": _json({"type": "array", "items": _SEEN}), **_refused(400, 401, 403, 404)},
            parameters=_query("org_id"),
        ),
        "post": _operation(
            "Register an OAuth client",
            {"201": _json(_SECRET), **_refused(400, 401, 403, 404, 409)},
            requestBody=_body(_ref("AuthOAuthClientCreate")),
        ),
    },
    "/oauth/clients/{client_id}": {
        "get": _operation("An OAuth client", {"200": _json(_SEEN), **_refused(401, 403, 404)}, parameters=_ID),
        "patch": _operation(
            "Change an OAuth client",
            {"200": _json(_SEEN), **_refused(400, 401, 403, 404)},
            parameters=_ID,
            requestBody=_body(_ref("AuthOAuthClientPatch")),
        ),
        "delete": _operation(
            "Delete an OAuth client and end its sessions",
            {"204": {"description": "Deleted"}, **_refused(401, 403, 404)},
            parameters=_ID,
        ),
    },
    "/oauth/clients/{client_id}/secret": {
        "post": _operation(
            "Give an OAuth client a new secret", {"200": _json(_SECRET), **_refused(401, 403, 404, 409)}, parameters=_ID
        )
    },
    "/_admin/oauth/clients/{client_id}": {
        "patch": _operation(
            "Say whether users are spared the question of consent",
            {"200": _json(_SEEN), **_refused(400, 401, 403, 404)},
            parameters=_ID,
            requestBody=_body({"type": "object", "properties": {"first_party": {"type": "boolean"}}}),
        )
    },
}

# Further methods of a path that the plugin's own table describes.
LOGOUT_GET: Json = _operation(
    "Sign a browser out (RP-initiated logout)",
    {"200": _page("Done, or a question"), "303": {"description": "To the client"}, **_refused(400)},
    public=True,
    parameters=_query("id_token_hint", "client_id", "post_logout_redirect_uri", "state"),
)

_CLIENT: Json = {
    "name": _TEXT,
    "redirect_uris": _TEXTS,
    "post_logout_redirect_uris": _TEXTS,
    "scopes": _TEXTS,
    "grants": _TEXTS,
    "logo_url": {"type": ["string", "null"]},
}
_SHOWN: Json = {
    "client_id": _TEXT,
    "type": {"type": "string", "enum": ["public", "confidential"]},
    "org_id": _UUID,
    "owner_id": {"type": ["string", "null"], "format": "uuid"},
    "first_party": {"type": "boolean"},
    "created_at": _INSTANT,
    "updated_at": _INSTANT,
    **_CLIENT,
}

SCHEMAS: dict[str, Json] = {
    "AuthOAuthClient": {"type": "object", "properties": _SHOWN, "required": list(_SHOWN)},
    "AuthOAuthClientWithSecret": {
        "type": "object",
        "properties": {**_SHOWN, "client_secret": _TEXT},
        "required": list(_SHOWN),
    },
    "AuthOAuthClientCreate": {
        "type": "object",
        "properties": {**_CLIENT, "type": _SHOWN["type"], "org_id": _TEXT},
        "required": ["name"],
    },
    "AuthOAuthClientPatch": {"type": "object", "properties": _CLIENT},
    "AuthConsent": {
        "type": "object",
        "properties": {
            "client_id": _TEXT,
            "name": _TEXT,
            "logo_url": {"type": ["string", "null"]},
            "scopes": _TEXTS,
            "granted_at": _INSTANT,
        },
    },
    "AuthDeviceCodes": {
        "type": "object",
        "properties": {
            "device_code": _TEXT,
            "user_code": _TEXT,
            "verification_uri": _TEXT,
            "verification_uri_complete": _TEXT,
            "expires_in": {"type": "integer"},
            "interval": {"type": "integer"},
        },
    },
}
