"""What doctor and `/health` look at."""

from __future__ import annotations

import secrets

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.mail.catalog import KINDS
from reactor_auth.queries import keys as sql
from reactor_auth.queries.outbox import WAITING
from reactor_auth.signing import ALGORITHM, SigningKeyUnusable
from reactor_kernel.api import ProbeResult, ReactorError, Readiness

# A node may have been down when the rotation was due.
ROTATION_GRACE_SECS = 3600


def tables(auth: Auth) -> ProbeResult:
    """Look whether the tables are there."""
    [found] = auth.db.run(None, [sql.TABLE_EXISTS], readonly=True)
    if found.rows[0][0] != b"t":
        return ProbeResult(Readiness.FAIL, "the tables of schema _reactor_auth are missing; run: reactor migrate")
    return ProbeResult(Readiness.OK, "the database answers and has the tables")


def signing_key(auth: Auth) -> ProbeResult:
    """Read the active key anew, sign with it, and verify with the public key others will use."""
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        auth.keys.reload()
        signer = auth.keys.signer()
    except SigningKeyUnusable as fault:
        return ProbeResult(Readiness.FAIL, fault.message)
    challenge = msgspec.json.encode({"challenge": secrets.token_hex(8)})
    signed = jws.serialize_compact({"alg": ALGORITHM, "kid": signer.kid}, challenge, signer.key, algorithms=[ALGORITHM])
    public = auth.keys.verifier(signer.kid)
    if public is None:
        return ProbeResult(Readiness.FAIL, f"signing key {signer.kid} is not published")
    try:
        echoed = jws.deserialize_compact(signed, public, algorithms=[ALGORITHM]).payload
    except JoseError as fault:
        return ProbeResult(Readiness.FAIL, f"what signing key {signer.kid} signs does not verify: {fault}")
    if echoed != challenge:
        return ProbeResult(Readiness.FAIL, f"what signing key {signer.kid} signs comes back changed")
    return ProbeResult(Readiness.OK, f"signing key {signer.kid} signs and verifies", {"kid": signer.kid})


def rotation(auth: Auth) -> ProbeResult:
    """Look whether the signing key is renewed in time."""
    auth.keys.reload()
    since, period = auth.keys.signing_since(), auth.config.key_rotation_secs
    if since is None:
        return ProbeResult(Readiness.FAIL, "no signing key is active")
    age = int(auth.clock.now().timestamp() - since)
    details = {"age_secs": age, "published": auth.keys.published()}
    if not period:
        return ProbeResult(Readiness.OK, "keys are rotated by hand ([auth] key_rotation_secs is 0)", details)
    if age > period + ROTATION_GRACE_SECS:
        late = f"the signing key is {age - period} s overdue; no node runs the service auth-key-rotation"
        return ProbeResult(Readiness.WARN, f"{late}. Run: reactor auth rotate-keys", details)
    return ProbeResult(Readiness.OK, f"the signing key is renewed in {max(0, period - age)} s", details)


# A mail that waits longer than this has been refused more than once.
STALE_SECS = 300.0


def mail(auth: Auth) -> ProbeResult:
    """Render every template, talk to the relay up to the point where a mail would follow, and look at what waits."""
    from reactor_auth.mail.relay import Relay, SendFailed

    faults = list(auth.outbox.templates.check())
    if faults:
        return ProbeResult(Readiness.FAIL, f"a template of a mail is broken: {faults[0]}", {"faults": faults})
    [found] = auth.db.run(None, [WAITING], readonly=True)
    waiting, oldest = int(found.rows[0][0] or 0), float(found.rows[0][1] or 0)
    seen = {"waiting": waiting, "oldest_secs": round(oldest), "templates": len(KINDS)}
    smtp = auth.config.smtp
    if smtp is None:
        way = "mails are only written to the log and to `reactor auth outbox`" if auth.is_dev else "no mail is sent"
        return ProbeResult(Readiness.WARN, f"without [auth.smtp] {way}", seen)
    try:
        with Relay(smtp) as relay:
            name = relay.check()
    except SendFailed as fault:
        return ProbeResult(Readiness.FAIL, f"{smtp.host}:{smtp.port} takes no mail: {fault}", seen)
    if oldest > STALE_SECS:
        return ProbeResult(Readiness.WARN, f"{waiting} mails wait, the oldest for {oldest:.0f} s", seen)
    return ProbeResult(Readiness.OK, f"{name} at {smtp.host}:{smtp.port} takes mail", seen)


def issuer(auth: Auth) -> ProbeResult:
    """Compare the issuer with the address its discovery document is found under (OpenID Connect Discovery §4.3)."""
    wanted = f"{auth.config.base_url}{auth.prefix}"
    if auth.config.jwt_issuer == wanted:
        return ProbeResult(Readiness.OK, f"OpenID clients find everything below {wanted}")
    return ProbeResult(
        Readiness.WARN,
        f"jwt_issuer is {auth.config.jwt_issuer}, so strict OpenID clients refuse the discovery document of {wanted}; "
        'set [auth] jwt_issuer = "{public_url}/auth/v1"',
    )


def health(auth: Auth) -> str | None:
    """Tell whether a key signs, asking the database."""
    try:
        [found] = auth.db.run(None, [sql.ACTIVE_EXISTS], readonly=True)
    except ReactorError as fault:
        return fault.message
    return None if found.rows[0][0] == b"t" else "no signing key is active"
