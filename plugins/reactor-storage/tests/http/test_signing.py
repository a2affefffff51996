"""Signed URLs."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs, urlsplit

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
