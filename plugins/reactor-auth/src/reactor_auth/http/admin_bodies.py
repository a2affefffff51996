"""Request bodies of the admin routes."""

from __future__ import annotations

from typing import Any

import msgspec


class UserCreate(msgspec.Struct):
    """`POST /_admin/users`."""

    email: str
    password: str | None = None
    email_verified: bool = False
    metadata: dict[str, Any] | None = None


class UserPatch(msgspec.Struct):
    """`PATCH /_admin/users/{user}`."""

    email: str | None = None
    email_verified: bool | None = None
    password: str | None = None
    metadata: dict[str, Any] | None = None
    disabled: bool | None = None


class OrgCreate(msgspec.Struct):
    """`POST /_admin/orgs`; `owner` is a user's id or e-mail address."""

    name: str
    slug: str
    owner: str
    metadata: dict[str, Any] | None = None


class MemberCreate(msgspec.Struct):
    """`POST /_admin/orgs/{ref}/members`; `user_id` is an id or e-mail address, `role` a name."""

    user_id: str
    role: str = "member"


class MemberPatch(msgspec.Struct):
    """`PATCH /_admin/orgs/{ref}/members/{user}`."""

    role: str
