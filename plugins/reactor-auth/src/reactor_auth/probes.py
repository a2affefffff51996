"""What doctor and `/health` look at."""

from __future__ import annotations

import secrets

import msgspec

from reactor_auth.assembly import Auth
from reactor_auth.queries import keys as sql
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


def health(auth: Auth) -> str | None:
    """Tell whether a key signs, asking the database."""
    try:
        [found] = auth.db.run(None, [sql.ACTIVE_EXISTS], readonly=True)
    except ReactorError as fault:
        return fault.message
    return None if found.rows[0][0] == b"t" else "no signing key is active"
