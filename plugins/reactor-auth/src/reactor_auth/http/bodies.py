"""Request bodies, parsed once into what the services take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from reactor_auth.errors import invalid_field
from reactor_kernel.api import UnsupportedMediaType, ValidationError

if TYPE_CHECKING:
    import falcon

T = TypeVar("T")
MAX_METADATA_BYTES = 65536
MAX_METADATA_DEPTH = 32
_FORM = "application/x-www-form-urlencoded"
_MISSING = re.compile(r"Object missing required field `(?P<field>\w+)`")
_MISTYPED = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`(?: - at `\$\.(?P<field>[^`]+)`)?")
_KINDS = {
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


class Credentials(msgspec.Struct):
    """`POST /login`."""

    email: str
    password: str


class SignUp(msgspec.Struct):
    """`POST /signup`; without address and password only for anonymous users."""

    email: str | None = None
    password: str | None = None
    anonymous: bool = False
    metadata: dict[str, Any] | None = None
    invite_token: str | None = None


class TokenRequest(msgspec.Struct):
    """`POST /token`, whatever the grant."""

    grant_type: str | None = None
    token: str | None = None
    email: str | None = None
    username: str | None = None
    password: str | None = None
    refresh_token: str | None = None
    subject_token: str | None = None
    subject_token_type: str | None = None
    requested_token_type: str | None = None
    actor_token: str | None = None
    audience: str | None = None
    scope: str | None = None
    org: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    code: str | None = None
    code_verifier: str | None = None
    redirect_uri: str | None = None
    device_code: str | None = None


class Address(msgspec.Struct):
    """`POST /resend`, `POST /password-reset/request`."""

    email: str


class Otp(msgspec.Struct):
    """`POST /otp`."""

    email: str
    create_user: bool = True
    redirect_to: str | None = None


class Verify(msgspec.Struct):
    """`POST /verify`; with type `invite` the token is an invitation's."""

    token: str
    type: str = "signup"


class ResetConfirm(msgspec.Struct):
    """`POST /password-reset/confirm`; `password` is what the JavaScript client sends."""

    token: str
    new_password: str | None = None
    password: str | None = None


class LogOut(msgspec.Struct):
    """`POST /logout`."""

    refresh_token: str | None = None


class UserPatch(msgspec.Struct):
    """`PATCH /user`."""

    email: str | None = None
    password: str | None = None
    current_password: str | None = None
    metadata: dict[str, Any] | None = None
    default_org_id: str | msgspec.UnsetType | None = msgspec.UNSET


class OrgCreate(msgspec.Struct):
    """`POST /orgs`."""

    name: str
    slug: str
    metadata: dict[str, Any] | None = None


class OrgPatch(msgspec.Struct):
    """`PATCH /orgs/{ref}`."""

    name: str | None = None
    slug: str | None = None
    metadata: dict[str, Any] | None = None
    mfa_required_roles: list[str] | None = None


class MemberPatch(msgspec.Struct):
    """`PATCH /orgs/{ref}/members/{user_id}`; `roleId` is what the JavaScript client sends."""

    role_id: str | None = None
    role_id_camel: str | None = msgspec.field(default=None, name="roleId")


class PermissionQuery(msgspec.Struct):
    """`POST /permissions` and `POST /permissions/check`."""

    permissions: list[str]
    org: str | None = None


def read_json(request: falcon.Request, shape: type[T]) -> T:
    """Read a JSON body. Raises ValidationError, or UnsupportedMediaType for another kind of body."""
    kind = media_type(request)
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMediaType(
            f"the body is {kind}, but this route reads application/json", hint="Send Content-Type: application/json."
        )
    raw = request.bounded_stream.read()
    if not raw.strip():
        raise ValidationError("the request needs a JSON body")
    return decode(raw, shape)


def decode(raw: bytes, shape: type[T]) -> T:
    """Decode JSON into a shape. Raises ValidationError that names the field."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as fault:
        raise _shape_error(str(fault)) from fault
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise ValidationError("the body is not valid JSON") from fault


def read_form(request: falcon.Request) -> dict[str, str]:
    """Read a form body whose parameters come at most once (RFC 6749 §3.2)."""
    raw = request.bounded_stream.read()
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, strict_parsing=bool(raw), errors="strict", max_num_fields=64
        )
    except ValueError as fault:
        raise ValidationError("the body is not a valid form") from fault
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise invalid_field(name, "must be given once")
        found[name] = value
    return found


def media_type(request: falcon.Request) -> str:
    """Return the body's media type without parameters, in lower case; empty where none is named."""
    return (request.content_type or "").partition(";")[0].strip().lower()


def is_form(request: falcon.Request) -> bool:
    """Tell whether the body is a form."""
    return media_type(request) == _FORM


def required(value: str | None, name: str) -> str:
    """Return a parameter, or raise the validation error for an absent one."""
    if not value:
        raise invalid_field(name, "is required")
    return value


def metadata_of(value: dict[str, Any] | None) -> dict[str, Any]:
    """Return metadata that Postgres can store; an absent one is empty."""
    if value is None:
        return {}
    _walk(value, MAX_METADATA_DEPTH)
    if len(msgspec.json.encode(value)) > MAX_METADATA_BYTES:
        raise invalid_field("metadata", f"must not be larger than {MAX_METADATA_BYTES} bytes")
    return value


def uuid_of(text: str, field: str) -> UUID:
    """Return a UUID, or raise the validation error for `field`."""
    try:
        return UUID(text)
    except ValueError:
        raise invalid_field(field, "is not a UUID") from None


def text_of(request: falcon.Request, name: str) -> str | None:
    """Return a text from the query that Postgres can compare with; None for an absent one."""
    return None if (text := request.get_param(name)) is None else storable(text, name)


def storable(text: str, field: str) -> str:
    """Return a text, or raise the validation error for one that Postgres cannot hold."""
    if "\x00" in text:
        raise invalid_field(field, "must not contain NUL characters")
    return text


def number_of(request: falcon.Request, name: str, default: int, least: int, most: int) -> int:
    """Return a whole number from the query."""
    text = request.get_param(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 10 or not least <= int(text) <= most:
        raise invalid_field(name, f"must be a whole number from {least} to {most}")
    return int(text)


def _walk(value: object, depth: int) -> None:
    if depth < 0:
        raise invalid_field("metadata", f"must not be nested deeper than {MAX_METADATA_DEPTH} levels")
    if isinstance(value, str):
        if "\x00" in value:
            raise invalid_field("metadata", "must not contain NUL characters")
    elif isinstance(value, int) and abs(value) >= 10**300:
        raise invalid_field("metadata", "must not contain numbers of more than 300 digits")
    elif isinstance(value, dict):
        for name, item in value.items():
            _walk(name, depth)
            _walk(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _walk(item, depth - 1)


def _shape_error(text: str) -> ValidationError:
    if missing := _MISSING.match(text):
        return invalid_field(missing["field"], "is required")
    if mistyped := _MISTYPED.match(text):
        wanted = _kinds(mistyped["wanted"])
        field = mistyped["field"]
        problem = f"must be {wanted}, not {_kinds(mistyped['got'])}"
        return invalid_field(field, problem) if field else ValidationError(f"the body {problem}")
    return ValidationError(f"the body is not valid: {text}")


def _kinds(text: str) -> str:
    return " or ".join(_KINDS.get(kind.strip(), kind.strip()) for kind in text.split("|"))
