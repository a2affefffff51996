"""Signed URLs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from reactor_kernel.api import uuid7

from ..conftest import SECRET


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def sign(member, path, **body):
    answer = member.call("POST", f"sign/{path}", body=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["url"]


def test_the_canonical_form(ann, client):
    ann.bucket()
    ann.put("docs/a b/c.txt", b"hi")
    answer = ann.call("POST", "sign/docs/a%20b/c.txt", body={"expires_in": 60}).json()
    assert answer["url"] == answer["signed_url"] == answer["signedUrl"] == answer["signedURL"]
    parts = urlsplit(answer["url"])
    query = {name: value for name, (value,) in parse_qs(parts.query).items()}
    assert parts.path == "/storage/v1/object/docs/a%20b/c.txt"
    assert query["expires"] == str(answer["expires_at"])
    text = f"GET:{ann.org_id}/docs/a b/c.txt:{query['expires']}"
    assert query["signature"] == hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert client.get(answer["url"]).content == b"hi"
    assert client.head(answer["url"]).status_code == 200
    assert client.get(answer["url"], headers={"Range": "bytes=1-"}).content == b"i"


def test_an_upload(ann, client, sql):
    ann.bucket()
    url = sign(ann, "docs/new.txt", for_upload=True)
    assert client.put(url, content=b"content", headers={"Content-Type": "text/plain"}).status_code == 200
    assert ann.get("docs/new.txt").content == b"content"
    assert sql("select owner_id::text from storage.objects") == [(ann.user_id,)]
    assert code(client.get(url)) == (403, "invalid_signature")


def test_what_was_altered_does_not_work(ann, bob, client, files):
    ann.bucket()
    bob.bucket()
    ann.put("docs/a")
    ann.put("docs/b", b"other")
    bob.put("docs/a", b"of bob")
    url = sign(ann, "docs/a")
    signature = parse_qs(urlsplit(url).query)["signature"][0]
    for altered in (
        url.replace("docs/a", "docs/b"),
        url.replace(ann.org_id, bob.org_id),
        url.replace("expires=", "expires=1"),
        url.replace(signature, signature[::-1]),
        url.replace(signature, ""),
        f"{url}&single_use=true",
        f"{url}&upsert=yes",
        f"{url}&signer={uuid7()}",
        url.replace("expires=", "expires=-"),
    ):
        answer = client.get(altered)
        assert code(answer)[0] in (400, 403), altered
        assert code(answer)[1] in ("invalid_signature", "missing_signature"), altered
    assert code(client.put(url, content=b"x")) == (403, "invalid_signature")
    assert code(client.get(url.partition("&expires")[0])) == (401, "unauthorized")
    assert code(client.get(f"/storage/v1/object/docs/a?expires={2**40}")) == (400, "missing_signature")
    assert len(files()) == 3


def test_it_ends(ann, client):
    ann.bucket()
    ann.put("docs/a")
    for seconds, status in ((604800, 200), (604801, 400), (0, 200), (-1, 400)):
        assert ann.call("POST", "sign/docs/a", body={"expires_in": seconds}).status_code == status
    past = 1_000_000_000
    text = f"GET:{ann.org_id}/docs/a:{past}"
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    answer = client.get(f"/storage/v1/object/docs/a?org={ann.org_id}&expires={past}&signature={signature}")
    assert code(answer) == (403, "url_expired")


def test_single_use(ann, client):
    ann.bucket()
    ann.put("docs/a")
    url = sign(ann, "docs/a", single_use=True)
    assert client.head(url).status_code == 200
    assert client.get(url).status_code == 200
    again = client.get(url)
    assert code(again) == (403, "url_expired")
    assert again.json()["error"]["message"] == "the signed URL was used; it works once"
    upload = sign(ann, "docs/b", for_upload=True, single_use=True)
    assert client.put(upload, content=b"x", headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}).status_code == 400
    assert client.put(upload, content=b"x").status_code == 200
    assert code(client.put(upload, content=b"y")) == (403, "url_expired")
    assert ann.get("docs/b").content == b"x"


def test_who_may_sign(ann, client, kernel):
    ann.bucket()
    ann.put("docs/a")
    assert code(client.post("/storage/v1/sign/docs/a")) == (401, "unauthorized")
    assert ann.colleague("storage:docs:read").call("POST", "sign/docs/a").status_code == 200
    assert code(ann.colleague("storage:docs:write").call("POST", "sign/docs/a")) == (403, "permission_denied")
    assert ann.colleague("storage:docs:write").call("POST", "sign/docs/a", body={"for_upload": True}).status_code == 200
    reader = ann.colleague("storage:docs:read")
    assert code(reader.call("POST", "sign/docs/a", body={"for_upload": True})) == (403, "permission_denied")
    with kernel.database.begin() as tx:
        tx.connection.exec_driver_sql(
            "create policy r on storage.objects for select to reactor_authenticated using (false);"
            "create policy w on storage.objects for insert to reactor_authenticated with check (false)"
        )
    assert code(ann.call("POST", "sign/docs/a")) == (404, "object_not_found")
    assert code(ann.call("POST", "sign/docs/a", body={"for_upload": True})) == (403, "policy_denied")


@pytest.mark.parametrize("previous", [None, "another secret of old"])
def test_the_secret_before_the_last_change(wire, previous):
    from ..conftest import Member

    client = wire(signing_secret="another secret of old")
    ann = Member(client)
    ann.bucket()
    ann.put("docs/a")
    query = urlsplit(sign(ann, "docs/a")).query
    from reactor_storage.signing import Grant, InvalidSignature, Signer

    facts = {name: value for name, (value,) in parse_qs(query).items()}
    grant = Grant("GET", ann.org_id, "docs", "a", int(facts["expires"]))
    from reactor_kernel.clock import SystemClock

    signer = Signer("a new secret", previous, SystemClock())
    if previous is None:
        with pytest.raises(InvalidSignature):
            signer.verify(grant, facts["signature"])
    else:
        signer.verify(grant, facts["signature"])
    assert signer.sign(grant) != facts["signature"]


def test_an_upload_that_may_not_replace(ann, client):
    ann.bucket()
    url = sign(ann, "docs/a", for_upload=True, upsert=False)
    assert client.put(url, content=b"one").status_code == 200
    again = client.put(url, content=b"two")
    assert code(again) == (409, "object_exists")
    assert again.json()["error"]["message"] == "there is an object under 'a'"
    # Unless it says so it replaces, as PUT does.
    assert client.put(sign(ann, "docs/a", for_upload=True), content=b"three").status_code == 200
    assert ann.get("docs/a").content == b"three"


def test_the_token_of_an_upload_replaces_on_no_other_path(ann, client):
    """Its signature is valid on the object's own path, too, whose PUT replaces."""
    ann.bucket()
    token = ann.call("POST", "object/upload/sign/docs/a", body={}).json()["token"]
    assert client.put(f"/storage/v1/object/upload/sign/docs/a?token={token}", content=b"one").status_code == 200
    org, expires, signer, *_, signature = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    query = urlencode({"org": org, "expires": expires, "signer": signer, "signature": signature})
    assert code(client.put(f"/storage/v1/object/docs/a?{query}", content=b"two")) == (409, "object_exists")
    assert code(client.put(f"/storage/v1/object/docs/a?{query}&upsert=true", content=b"two")) == (
        403,
        "invalid_signature",
    )
    assert ann.get("docs/a").content == b"one"


def test_what_is_not_there_yet_is_not_signed_where_policies_decide(ann, client, kernel):
    """Else whoever knows which key another will use could read it, or put something else in its place."""
    ann.bucket()
    eve = ann.colleague("storage:*")
    with kernel.database.begin() as tx:
        tx.connection.exec_driver_sql(
            "create policy r on storage.objects for select to reactor_authenticated using (owner_id = auth.user_id());"
            "create policy w on storage.objects for update to reactor_authenticated using (owner_id = auth.user_id())"
        )
    for path, body in (("sign/docs/plan", {}), ("object/sign/docs/plan", {"expiresIn": 60})):
        before = eve.call("POST", path, body=body)
        assert code(before) == (404, "object_not_found")
        ann.put("docs/plan", b"secret")
        hidden = eve.call("POST", path, body=body)
        assert hidden.json()["error"]["message"] == before.json()["error"]["message"]
        assert code(hidden) == (404, "object_not_found")
        ann.call("DELETE", "object/docs/plan")
    url = sign(eve, "docs/plan", for_upload=True)
    token = eve.call("POST", "object/upload/sign/docs/plan", body={}, X_Upsert="true").json()["token"]
    ann.put("docs/plan", b"secret")
    assert code(client.put(url, content=b"another")) == (409, "object_exists")
    at = f"/storage/v1/object/upload/sign/docs/plan?token={token}"
    assert code(client.put(at, content=b"another")) == (409, "object_exists")
    assert ann.get("docs/plan").content == b"secret"
    # What is its own it may replace, also by a URL.
    assert client.put(sign(ann, "docs/plan", for_upload=True), content=b"new").status_code == 200
    assert client.get(sign(ann, "docs/plan")).content == b"new"


def test_an_organisation_that_holds_a_part_of_the_path(ann, client):
    """The signed text is the same: `org/docs`, bucket `p`, key `q` for `org`, bucket `docs`, key `p/q`."""
    ann.bucket()
    ann.put("docs/p/q")
    url = sign(ann, "docs/p/q")
    shifted = url.replace("/docs/p/q?", "/p/q?").replace(f"org={ann.org_id}", f"org={ann.org_id}%2Fdocs")
    assert code(client.get(shifted)) == (403, "invalid_signature")
    token = ann.call("POST", "object/sign/docs/p/q", body={}).json()["signedURL"].partition("token=")[2]
    held = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    other = base64.urlsafe_b64encode(json.dumps([f"{held[0]}/docs", *held[1:]]).encode()).decode()
    assert client.get(f"/storage/v1/object/sign/docs/p/q?token={token}").status_code == 200
    assert code(client.get(f"/storage/v1/object/sign/p/q?token={other}")) == (403, "invalid_signature")
