"""Invitations: made, listed, withdrawn, accepted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from reactor_auth.plugin import AuthPlugin

NOBODY = "019213f5-0000-7000-8000-000000000001"
NOT_FOUND = (404, "invitation_not_found", "There is no such invitation, or it has expired.")
USED = (409, "invitation_used", "The invitation has been accepted already.")
MISMATCH = (403, "invitation_email_mismatch", "The invitation was sent to another e-mail address.")
MISMATCH_HINT = "Sign in with the address the invitation was sent to."
NEEDS = "this needs the role owner or admin, or the permission auth:invitations:"


@pytest.fixture
def acme(ann):
    return ann.make_org("acme")


def invite(person, email="bob@example.com", **more):
    answer = person.post("/orgs/acme/invitations", {"email": email, **more})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    return body, body.pop("invite_link").partition("?invite_token=")[2]


def verify(api, person):
    api.sql("UPDATE _reactor_auth.users SET email_verified = true WHERE id = $1", person.id)


def accept(person, token):
    return person.post("/invitations/accept", {"token": token})


@pytest.mark.parametrize("field", ["role_id", "roleId", None])
def test_an_owner_invites_and_somebody_joins(api, ann, bob, acme, field):
    role = "member" if field is None else "admin"
    role_id = api.role_id(acme, role)
    answer = ann.post("/orgs/acme/invitations", {"email": " Bob@Example.com ", **({field: role_id} if field else {})})
    invitation = answer.json()
    link = invitation.pop("invite_link")
    assert answer.headers["Cache-Control"] == "no-store"
    assert invitation == {
        "id": invitation["id"],
        "email": "bob@example.com",
        "org_id": acme["id"],
        "org_name": "Acme",
        "org_slug": "acme",
        "role_id": role_id,
        "role_name": role,
        "status": "pending",
        "created_at": invitation["created_at"],
        "expires_at": invitation["expires_at"],
    }
    assert link.startswith("http://127.0.0.1:8000/?invite_token=")
    token = link.partition("=")[2]
    assert len(token) == 43
    assert ann.get("/orgs/acme/invitations").json() == [invitation]
    assert bob.get("/invitations").json() == []
    verify(api, bob)
    assert bob.get("/invitations").json() == [invitation]
    joined = accept(bob, token)
    member = ann.get(f"/orgs/acme/members/{bob.id}").json()
    assert joined.status_code == 200
    assert joined.json() == {
        **member,
        "status": "joined",
        "user_id": bob.id,
        "org_id": acme["id"],
        "email": "bob@example.com",
        "requires_signup": False,
    }
    assert (member["role_name"], bob.get("/user").json()["default_org_id"]) == (role, acme["id"])
    assert ann.get("/orgs/acme/invitations").json() == bob.get("/invitations").json() == []
    api.refused(accept(bob, token), *USED)
    api.refused(api.call("POST", "/invitations/accept", json={"token": token}), *USED)


def test_nothing_secret_is_stored(api, ann, acme):
    _, token = invite(ann)
    tables = [
        row
        for table in ("invitations", "audit_events", "mail_outbox")
        for row in api.sql(f"SELECT row_to_json(t)::text FROM _reactor_auth.{table} t")
    ]
    assert not any(token in (cell or "") for row in tables for cell in row)


@pytest.mark.parametrize("how", ["query", "path"])
def test_the_token_may_stand_elsewhere(api, ann, bob, acme, how):
    _, token = invite(ann)
    verify(api, bob)
    path = f"/invitations/accept?token={token}" if how == "query" else f"/orgs/acme/invitations/{token}/accept"
    assert bob.post(path).json()["status"] == "joined"


def test_without_a_caller_it_only_says_what_there_is(api, ann, acme):
    _, token = invite(ann)
    for _ in range(2):
        answer = api.call("POST", "/invitations/accept", json={"token": token})
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "status": "pending_signup",
                "user_id": None,
                "org_id": acme["id"],
                "email": "bob@example.com",
                "requires_signup": True,
            },
        )
    bad = api.call("POST", "/invitations/accept", json={"token": token}, token="nonsense")
    assert (bad.status_code, bad.json()["error"]["code"]) == (401, "invalid_token")
    for token in ("x", "\x00é", "x" * 5000):
        api.refused(api.call("POST", "/invitations/accept", json={"token": token}), *NOT_FOUND)
    for body in ({}, {"token": ""}, {"token": None}, None):
        answer = api.call("POST", "/invitations/accept", json=body)
        assert answer.json()["error"]["code"] == "validation_error"


def test_only_the_verified_addressee_joins(api, ann, bob, acme):
    _, token = invite(ann)
    eve = api.sign_up("eve@example.com")
    verify(api, eve)
    api.refused(accept(eve, token), *MISMATCH, hint=MISMATCH_HINT)
    api.refused(
        accept(bob, token),
        403,
        "invitation_email_mismatch",
        "your e-mail address is not verified, so the invitation cannot be matched with it",
        hint="Verify your e-mail address first.",
    )
    assert eve.get("/orgs").json() == bob.get("/orgs").json() == []
    verify(api, bob)
    assert accept(bob, token).status_code == 200


def test_signing_up_with_it_joins_in_one_transaction(api, ann, acme):
    _, token = invite(ann, "new@example.com")
    body = {"email": "NEW@example.com", "password": "correct horse", "invite_token": token}
    other = api.call("POST", "/signup", json={**body, "email": "else@example.com"})
    api.refused(other, *MISMATCH, hint=MISMATCH_HINT)
    assert api.sql("SELECT count(*) FROM _reactor_auth.users WHERE email = 'else@example.com'") == [["0"]]
    api.refused(api.call("POST", "/signup", json={**body, "invite_token": "x"}), *NOT_FOUND)
    answer = api.call("POST", "/signup", json=body)
    assert (answer.status_code, answer.json()["user"]["default_org_id"]) == (201, acme["id"])
    token_of_new = answer.json()["session"]["access_token"]
    assert api.call("GET", "/orgs", token=token_of_new).json()[0]["slug"] == "acme"
    again = api.call("POST", "/signup", json={**body, "email": "more@example.com"})
    api.refused(again, *USED)
    kinds = [row[0] for row in api.sql("SELECT event_type FROM _reactor_auth.audit_events ORDER BY ts, id")]
    assert kinds[-4:] == ["user.signup", "invitation.accepted", "member.joined", "session.created"]


@pytest.fixture
def strict(kernel_factory, reactor_config, reactor_database_url, api):
    """A second kernel that has addresses verified."""
    smtp = {"host": "127.0.0.1", "port": 1, "from": "reactor@example.com", "tls": "none"}
    config = {"auth": {**reactor_config["auth"], "require_verified_email": True, "smtp": smtp}}
    kernel = kernel_factory(AuthPlugin, config=config, database_url=reactor_database_url)
    transport = httpx.WSGITransport(app=kernel.app, raise_app_exceptions=True, remote_addr="127.0.0.1")
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        yield client


def test_where_addresses_are_verified_it_joins_and_tells_nothing(api, strict, ann, bob, acme):
    """The one who signs up has no session yet; a taken address answers the same and changes nothing."""
    _, new = invite(ann, "new@example.com")
    _, taken = invite(ann, "bob@example.com")

    def sign_up(email, token):
        body = {"email": email, "password": "correct horse", "invite_token": token}
        return strict.post("/auth/v1/signup", json=body)

    for email in ("new@example.com", "bob@example.com"):
        api.refused(sign_up(email, "x"), *NOT_FOUND)
    api.refused(sign_up("new@example.com", taken), *MISMATCH, hint=MISMATCH_HINT)
    api.refused(sign_up("bob@example.com", new), *MISMATCH, hint=MISMATCH_HINT)
    for email, token in (("new@example.com", new), ("bob@example.com", taken)):
        answer = sign_up(email, token)
        assert (answer.status_code, answer.json()["session"]) == (201, None)
        assert {**answer.json()["user"], "id": "", "created_at": ""} == {
            "id": "",
            "email": email,
            "email_verified": False,
            "metadata": {},
            "default_org_id": None,
            "created_at": "",
        }
    assert [member["user"]["email"] for member in ann.get("/orgs/acme/members").json()] == [
        "ann@example.com",
        "new@example.com",
    ]
    assert bob.get("/orgs").json() == []


def test_many_accepting_at_once_join_once(api, ann, bob, acme):
    _, token = invite(ann)
    verify(api, bob)
    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: accept(bob, token), range(6)))
    assert statuses == [200] + [409] * 5
    assert len(ann.get("/orgs/acme/members").json()) == 2


def test_inviting_again_replaces(api, ann, bob, acme):
    verify(api, bob)
    first, old = invite(ann)
    second, new = invite(ann, "BOB@example.com", role_id=api.role_id(acme, "admin"))
    assert [one["id"] for one in ann.get("/orgs/acme/invitations").json()] == [second["id"]]
    api.refused(accept(bob, old), *NOT_FOUND)
    assert accept(bob, new).json()["role_name"] == "admin"
    assert first["id"] != second["id"]
    answer = ann.post("/orgs/acme/invitations", {"email": "bob@example.com"})
    api.refused(answer, 409, "membership_exists", "The user is a member of this organisation already.")


def test_inviting_at_once_leaves_one_open(api, ann, acme):
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: ann.post("/orgs/acme/invitations", {"email": "x@example.com"}), range(6)))
    assert [answer.status_code for answer in made] == [201] * 6
    assert len(ann.get("/orgs/acme/invitations").json()) == 1


@pytest.mark.parametrize("short", [True, False])
def test_a_withdrawn_one_is_gone(api, ann, bob, acme, short):
    invitation, token = invite(ann)
    verify(api, bob)
    path = f"/invitations/{invitation['id']}" if short else f"/orgs/acme/invitations/{invitation['id']}"
    stranger = NOT_FOUND if short else (403, "not_org_member", "The caller is not a member of this organisation.")
    api.refused(bob.delete(path), *stranger)
    answer = ann.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for refused in (ann.delete(path), accept(bob, token), ann.delete(path.replace(invitation["id"], NOBODY))):
        api.refused(refused, *NOT_FOUND)
    assert ann.get("/orgs/acme/invitations").json() == []


def test_it_ends_after_seven_days(frozen_clock, api, ann, bob, acme):
    verify(api, bob)
    invitation, token = invite(ann)
    frozen_clock.advance(days=7, seconds=-1)
    ann, bob = api.sign_in("ann@example.com"), api.sign_in("bob@example.com")
    assert bob.get("/invitations").json() == [invitation]
    frozen_clock.advance(seconds=1)
    assert ann.get("/orgs/acme/invitations").json() == bob.get("/invitations").json() == []
    api.refused(accept(bob, token), *NOT_FOUND)
    api.refused(ann.delete(f"/invitations/{invitation['id']}"), *NOT_FOUND)
    assert invite(ann)[0]["status"] == "pending"


def test_nobody_invites_above_themselves(api, ann, bob, acme):
    api.join(acme, bob, "admin")
    owner = {"email": "x@example.com", "role_id": api.role_id(acme, "owner")}
    refusal = (403, "permission_denied", "only an owner may give or take the role owner")
    api.refused(bob.post("/orgs/acme/invitations", owner), *refusal)
    strong = ann.post("/orgs/acme/roles", {"name": "strong", "permissions": ["auth:orgs:write"]}).json()
    answer = bob.post("/orgs/acme/invitations", {**owner, "role_id": strong["id"]})
    api.refused(
        answer,
        403,
        "permission_denied",
        "the role strong may do more than you: auth:orgs:write",
        details={"missing": ["auth:orgs:write"]},
    )
    assert ann.get("/orgs/acme/invitations").json() == []
    assert bob.post("/orgs/acme/invitations", {"email": "x@example.com"}).status_code == 201
    assert ann.post("/orgs/acme/invitations", owner).json()["role_name"] == "owner"


def test_members_and_strangers_neither_invite_nor_look(api, ann, bob, acme):
    stranger = (403, "not_org_member", "The caller is not a member of this organisation.")
    invitation, _ = invite(ann, "x@example.com")
    path = f"/orgs/acme/invitations/{invitation['id']}"
    for answer in (bob.get("/orgs/acme/invitations"), bob.post("/orgs/acme/invitations", {"email": "y@example.com"})):
        api.refused(answer, *stranger)
    api.join(acme, bob)
    api.refused(bob.get("/orgs/acme/invitations"), 403, "permission_denied", f"{NEEDS}read")
    for answer in (
        bob.post("/orgs/acme/invitations", {"email": "y@example.com"}),
        bob.delete(path),
        bob.delete(f"/invitations/{invitation['id']}"),
    ):
        api.refused(answer, 403, "permission_denied", f"{NEEDS}write")
    other = bob.make_org("zoo")
    api.refused(
        bob.post("/orgs/zoo/invitations", {"email": "y@example.com", "role_id": api.role_id(acme, "member")}),
        404,
        "role_not_found",
        "There is no such role in this organisation.",
    )
    api.refused(bob.delete(f"/orgs/{other['id']}/invitations/{invitation['id']}"), *NOT_FOUND)


BAD = [
    ({}, "email", "is required"),
    ({"email": "nobody"}, "email", "is not a valid e-mail address"),
    ({"email": "x@example.com", "role_id": "x"}, "role_id", "is not a UUID"),
    ({"email": "x@example.com", "role_id": 1}, "role_id", "must be a string or null, not a number"),
]


def test_bad_invitations_are_refused(api, ann, acme):
    for body, field, problem in BAD:
        answer = ann.post("/orgs/acme/invitations", body)
        api.refused(answer, 400, "validation_error", f"{field} {problem}", fields={field: [problem]})
    for path in ("/invitations/x", "/orgs/acme/invitations/x"):
        api.refused(
            ann.delete(path),
            400,
            "validation_error",
            "invitation_id is not a UUID",
            fields={"invitation_id": ["is not a UUID"]},
        )


def test_a_deleted_organisation_invites_nobody(api, ann, bob, acme):
    _, token = invite(ann)
    verify(api, bob)
    ann.delete("/orgs/acme")
    api.refused(accept(bob, token), *NOT_FOUND)
    assert bob.get("/invitations").json() == []


def test_guessing_is_limited(api, auth_config, ann, acme):
    _, token = invite(ann)
    assert [api.call("POST", "/invitations/accept", json={"token": "x"}).status_code for _ in range(3)] == [404] * 3
    answer = api.call("POST", "/invitations/accept", json={"token": token})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.fixture
def auth_config(auth_config, request):
    if request.node.name == "test_guessing_is_limited":
        auth_config["limits"]["verify_per_address"] = 3
    if request.node.name == "test_an_address_is_not_flooded":
        auth_config["limits"]["mail_per_account"] = 2
    return auth_config


def test_an_address_is_not_flooded(api, ann, acme):
    for _ in range(2):
        last, _token = invite(ann)
    for _ in range(2):
        answer = ann.post("/orgs/acme/invitations", {"email": "BOB@example.com"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
    assert [one["id"] for one in ann.get("/orgs/acme/invitations").json()] == [last["id"]]
    invite(ann, "carl@example.com")


def sweep(api):
    import threading

    from reactor_auth.sweeping import Sweeper

    Sweeper(api.auth()).sweep(threading.Event())


def test_old_ones_are_swept(frozen_clock, api, ann, acme):
    invite(ann)
    for days, left in ((36, "1"), (2, "0")):
        frozen_clock.advance(days=days)
        sweep(api)
        assert api.sql("SELECT count(*) FROM _reactor_auth.invitations") == [[left]]


def test_an_erased_person_is_forgotten_as_invited_too(frozen_clock, api, ann, bob, acme):
    invite(ann)
    invite(ann, "carl@example.com")
    bob.delete("/user")
    frozen_clock.advance(days=31)
    sweep(api)
    assert api.sql("SELECT email FROM _reactor_auth.invitations") == [["carl@example.com"]]
    rows = api.sql("SELECT details->>'email' FROM _reactor_auth.audit_events WHERE event_type LIKE 'invitation.%'")
    assert sorted(rows, key=str) == [["carl@example.com"], [None]]


def test_it_is_mailed(api, ann, acme):
    _, token = invite(ann)
    [mail] = api.mails("bob@example.com", "invitation")
    assert "Acme" in mail["subject"]
    assert f"http://127.0.0.1:8000/?invite_token={token}" in mail["text"]


def test_a_token_of_an_invitation_is_verified_like_one_of_a_mail(api, ann, bob):
    org = ann.make_org("acme")
    invited = ann.post("/orgs/acme/invitations", {"email": "bob@example.com"}).json()
    token = invited["invite_link"].partition("?invite_token=")[2]
    body = {"type": "invite", "token": token}
    told = {"org_id": org["id"], "email": "bob@example.com"}
    anonymous = api.call("POST", "/verify", json=body)
    pending = {"status": "pending_signup", "user_id": None, "requires_signup": True}
    assert (anonymous.status_code, anonymous.json()) == (200, {"user": None, **told, **pending})
    assert ann.post("/verify", body).json()["error"]["code"] == "invitation_email_mismatch"
    assert bob.post("/verify", body).json()["error"]["code"] == "invitation_email_mismatch"
    api.sql("UPDATE _reactor_auth.users SET email_verified = true WHERE email = 'bob@example.com'")
    joined = bob.post("/verify", body)
    assert joined.status_code == 200
    user = joined.json().pop("user")
    assert (user["id"], user["default_org_id"]) == (bob.id, org["id"])
    rest = {name: value for name, value in joined.json().items() if name != "user"}
    assert rest == {**told, "status": "joined", "user_id": bob.id, "requires_signup": False}
    assert bob.get("/orgs/acme").status_code == 200
    assert bob.post("/verify", body).json()["error"]["code"] == "invitation_used"
    assert bob.post("/verify", {"type": "invite", "token": "x"}).json()["error"]["code"] == "invitation_not_found"
    unknown = bob.post("/verify", {"type": "x", "token": "x"})
    problem = "must be one of signup, recovery, magiclink, email_change, invite"
    api.refused(unknown, 400, "validation_error", f"type {problem}", fields={"type": [problem]})
