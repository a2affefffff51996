"""The SQL helpers say what the Python contracts say."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor_kernel.contracts import ANONYMOUS, DbRole, Identity, IdentityKind, Statement, grants
from reactor_kernel.db.database import PostgresDatabase

SEGMENT = st.sampled_from(["*", "a", "b", "data", "todos", "read", "", "A", "a*", "%", "_", "\\", "é", "a b", "'", '"'])
PERMISSION = st.lists(SEGMENT, min_size=1, max_size=4).map(":".join)
ID = "019213f5-0000-7000-8000-000000000001"


def member(permissions: frozenset[str] = frozenset(), **claims: object) -> Identity:
    return Identity(
        IdentityKind.USER,
        f"user_{ID}",
        DbRole.AUTHENTICATED,
        user_id=ID,
        org_id=ID,
        org_role="editor",
        permissions=permissions,
        claims=claims,
    )


@given(granted=st.frozensets(PERMISSION, max_size=4), wanted=PERMISSION)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_has_permission_agrees_with_the_kernels_matcher(
    database: PostgresDatabase, granted: frozenset[str], wanted: str
) -> None:
    [result] = database.run(member(granted), [Statement("SELECT auth.has_permission($1)", (wanted,))])
    assert result.rows == [(b"t" if grants(granted, wanted) else b"f",)]


@pytest.mark.parametrize(
    ("grant", "wanted", "expected"),
    [
        ("data:*", "data:todos:read", True),
        ("data:*:read", "data:todos:read", True),
        ("*:read", "data:read", True),
        ("data:todos", "data:todos:read", False),
        ("data:*", "data", False),
        ("*", "anything:at:all", True),
    ],
)
def test_the_contracts_vectors(database: PostgresDatabase, grant: str, wanted: str, expected: bool) -> None:
    [result] = database.run(member(frozenset({grant})), [Statement("SELECT auth.has_permission($1)", (wanted,))])
    assert result.rows == [(b"t" if expected else b"f",)]


def test_every_helper_of_a_member(database: PostgresDatabase) -> None:
    identity = member(frozenset({"x"}), email="ä@example.org", session_id=ID, amr=["pwd"])
    [result] = database.run(
        identity,
        [
            Statement(
                "SELECT auth.user_id(), auth.uid(), auth.current_user_id(), auth.org_id(), auth.current_org_id(), auth.session_id(),"
                " auth.role(), auth.db_role(), auth.email(), auth.in_org(auth.org_id()), auth.in_org(gen_random_uuid()),"
                " auth.is_authenticated(), auth.jwt()"
            )
        ],
    )
    *plain, jwt = result.rows[0]
    assert plain == [
        *[ID.encode()] * 6,
        b"editor",
        b"reactor_authenticated",
        "ä@example.org".encode(),
        b"t",
        b"f",
        b"t",
    ]
    assert json.loads(jwt or b"") == {
        "sub": f"user_{ID}",
        "user_id": ID,
        "org_id": ID,
        "org_role": "editor",
        "permissions": ["x"],
        "api_key_id": None,
        "token_type": "user",
        "role": "reactor_authenticated",
        "email": "ä@example.org",
        "session_id": ID,
        "amr": ["pwd"],
    }


EVERY = Statement(
    "SELECT auth.user_id(), auth.org_id(), auth.session_id(), auth.role(), auth.email(), auth.in_org(gen_random_uuid()),"
    " auth.has_permission('a'), auth.has_permission(NULL), auth.is_authenticated()"
)


def test_nobody_has_nothing(database: PostgresDatabase) -> None:
    nothing = (None, None, None, None, None, None, b"f", b"f", b"f")
    assert database.run(ANONYMOUS, [EVERY])[0].rows == [nothing]
    assert database.run(None, [EVERY])[0].rows == [nothing]  # the setting now reads back as ''


def test_the_helpers_are_stable_and_parallel_safe(database: PostgresDatabase) -> None:
    query = (
        "SELECT count(*), bool_and(provolatile = 's' AND proparallel = 's' AND NOT prosecdef)"
        " FROM pg_proc WHERE pronamespace = 'auth'::regnamespace"
    )
    assert database.run(None, [Statement(query)])[0].rows == [(b"13", b"t")]


def test_a_policy_separates_organisations(database: PostgresDatabase) -> None:
    database.run(
        None,
        [
            Statement("CREATE TABLE notes (org uuid, body text)"),
            Statement("ALTER TABLE notes ENABLE ROW LEVEL SECURITY"),
            Statement("GRANT SELECT, INSERT ON notes TO reactor_authenticated"),
            Statement(
                "CREATE POLICY by_org ON notes USING (org = (SELECT auth.org_id()))"
                " WITH CHECK (org = (SELECT auth.org_id()) AND (SELECT auth.has_permission('notes:write')))"
            ),
            Statement("INSERT INTO notes VALUES ($1, 'ours'), (gen_random_uuid(), 'theirs')", (ID,)),
        ],
    )
    read = [Statement("SELECT body FROM notes")]
    write = [Statement("INSERT INTO notes VALUES ($1, 'new')", (ID,))]
    assert database.run(member(), read)[0].rows == [(b"ours",)]
    assert database.run(member(frozenset({"notes:*"})), write)[0].affected == 1
    with pytest.raises(Exception, match='42501: new row violates row-level security policy for table "notes"'):
        database.run(member(frozenset({"notes:read"})), write)
