"""The one statement that reads what a fresh access token says of its user."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from reactor_auth.queries.factors import has_factor
from reactor_auth.queries.operators import scopes
from reactor_auth.queries.orgs import newest_ids_of_user


def standing(user_id: UUID, orgs: int) -> Select[Any]:
    """Read the ids of the organisations a user joined last, its platform scopes, and whether it has a second factor.

    In one round trip, because every sign-in and every refresh asks, and hardly anybody is an operator.
    """
    return select(
        func.array(newest_ids_of_user(user_id, orgs).scalar_subquery()).label("orgs"),
        func.array(scopes(user_id).scalar_subquery()).label("scopes"),
        has_factor(user_id).label("enrolled"),
    )
