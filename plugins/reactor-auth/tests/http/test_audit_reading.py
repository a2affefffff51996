"""`GET /auth/v1/orgs/{ref}/audit`."""

from __future__ import annotations

import pytest

NEEDS = (403, "permission_denied", "this needs the role owner, or the permission auth:audit:read")


@pytest.fixture
def acme(ann):
    return ann.make_org("acme")


def read(person, query=""):
    answer = person.get(f"/orgs/acme/audit{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def types(page):
    return [event["type"] for event in page["events"]]


def test_an_owner_reads_it_newest_first(api, ann, bob, acme):
    bob.make_org("zoo")
    ann.patch("/orgs/acme", {"name": "New"})
    page = read(ann)
    assert types(page) == ["org.updated", "member.joined", "org.created"]
    assert page["next_cursor"] is None
    first = page["events"][0]
    assert first == {
        "id": first["id"],
        "ts": first["ts"],
        "type": "org.updated",
        "actor_user_id": ann.id,
        "actor_apikey_id": None,
        "resource": f"org:{acme['id']}",
        "ip": "127.0.0.1",
        "user_agent": first["user_agent"],
        "details": {"changed": ["name"]},
    }
    assert first["user_agent"].startswith("python-httpx/")


def test_pages_join_without_gap_or_repetition(frozen_clock, api, ann, acme):
    """All within one instant, so that only the ids tell them apart."""
    for number in range(7):
        ann.patch("/orgs/acme", {"name": f"Name {number}"})
    whole = read(ann)["events"]
    assert len(whole) == 9
    seen, query = [], "?limit=2"
    while query:
        page = read(ann, query)
        ann.patch("/orgs/acme", {"metadata": {"seen": len(seen)}})
        seen += page["events"]
        query = f"?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == whole


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("org.created", ["org.created"]),
        ("org.*", ["org.updated", "org.created"]),
        ("member.joined,org.updated", ["org.updated", "member.joined"]),
        ("member.*,org.created", ["member.joined", "org.created"]),
        ("org", []),
        ("o_g.*", []),
    ],
)
def test_types_are_filtered(ann, acme, wanted, found):
    ann.patch("/orgs/acme", {"name": "New"})
    assert types(read(ann, f"?type={wanted}")) == found


def test_a_filter_goes_on_over_pages(ann, acme):
    for number in range(3):
        ann.patch("/orgs/acme", {"name": f"Name {number}"})
    page = read(ann, "?type=org.*&limit=3")
    rest = read(ann, f"?type=org.*&limit=3&cursor={page['next_cursor']}")
    assert (types(page), types(rest), rest["next_cursor"]) == (["org.updated"] * 3, ["org.created"], None)


def test_it_needs_the_right(api, ann, bob, acme):
    api.refused(bob.get("/orgs/acme/audit"), 403, "not_org_member", "The caller is not a member of this organisation.")
    api.join(acme, bob)
    api.refused(bob.get("/orgs/acme/audit"), *NEEDS)
    ann.patch(f"/orgs/acme/members/{bob.id}", {"role_id": api.role_id(acme, "admin")})
    assert types(read(bob))[0] == "member.role_changed"
    key = ann.post("/api-keys", {"name": "x", "scopes": ["auth:audit:read"]}).json()["key"]
    assert api.call("GET", "/orgs/acme/audit", token=key).json()["events"][0]["type"] == "apikey.created"
    narrow = ann.post("/api-keys", {"name": "x", "scopes": ["data:*"]}).json()["key"]
    api.refused(api.call("GET", "/orgs/acme/audit", token=narrow), *NEEDS)


CURSOR = "must be the next_cursor of the page before"
TYPE = "must be at most 20 event types such as member.joined or member.*"
BAD = [
    ("limit=0", "limit", "must be a whole number from 1 to 1000"),
    ("limit=1001", "limit", "must be a whole number from 1 to 1000"),
    ("cursor=", "cursor", CURSOR),
    ("cursor=nonsense", "cursor", CURSOR),
    ("cursor=%C3%A9", "cursor", CURSOR),
    ("cursor=MjAyNi0wMS0wMVQwMDowMDowMHx4", "cursor", CURSOR),
    ("type=a%25", "type", TYPE),
    ("type=*", "type", TYPE),
    ("type=a,,b", "type", TYPE),
    ("type=" + ",".join(["a"] * 21), "type", TYPE),
]


def test_bad_questions_are_refused(api, ann, acme):
    for query, field, problem in BAD:
        answer = ann.get(f"/orgs/acme/audit?{query}")
        api.refused(answer, 400, "validation_error", f"{field} {problem}", fields={field: [problem]})
