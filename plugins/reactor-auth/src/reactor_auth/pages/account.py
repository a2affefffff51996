"""What the pages of the own account say: its second factors, how to add one, and recovery codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from reactor_auth.pages.forms import button, code_field, form, listed, problem

if TYPE_CHECKING:
    from reactor_auth.model import User
    from reactor_auth.service.enrolment import Enrolment, Factor

Fields = Mapping[str, str]
KINDS: Mapping[str, str] = {"totp": "Authenticator app", "webauthn": "Passkey"}


def overview(
    action: str,
    fields: Fields,
    user: User,
    factors: Sequence[Factor],
    codes_left: int,
    *,
    passkeys: bool,
    sign_out: str,
    wrong: str | None = None,
    done: str | None = None,
) -> str:
    """Show who is signed in and the account's second factors; `passkeys` says that this server can use them."""
    verified = [factor for factor in factors if factor.verified_at is not None]
    confirmed = "" if user.email_verified else " Your e-mail address is not confirmed yet: follow the link in our mail."
    return (
        (f'<p role="status">{escape(done)}</p>\n' if done else "")
        + problem(wrong)
        + f"<p>Signed in as <strong>{escape(user.email or str(user.id))}</strong>.{confirmed}</p>\n"
        + "<h2>Second factors</h2>\n"
        + (
            "".join(_factor(action, fields, factor) for factor in verified)
            or "<p>None yet. With one, nobody can sign in with your password alone.</p>\n"
        )
        + _step(action, fields, "app", "Add an authenticator app")
        + (_step(action, fields, "new_passkey", "Add a passkey") if passkeys else "")
        + (_codes(action, fields, codes_left) if verified else "")
        + f'<p><a href="{escape(sign_out)}">Sign out</a></p>'
    )


def new_app(action: str, fields: Fields, enrolment: Enrolment) -> str:
    """Show the secret of a new authenticator app and ask for its first code."""
    return (
        "<p>Scan this with your authenticator app, or "
        f'<a href="{escape(enrolment.uri)}">open it on this device</a>.</p>\n'
        f"{_qr_code(enrolment.uri)}\n"
        f'<p>Or type the key: <code id="secret">{escape(_grouped(enrolment.secret))}</code></p>\n'
        + app_code(action, {**fields, "factor_id": str(enrolment.factor_id)})
    )


def app_code(action: str, fields: Fields, *, wrong: str | None = None) -> str:
    """Ask for a code of the app that is being added; `fields` name it."""
    return problem(wrong, "code") + form(
        action,
        {**fields, "step": "app_code"},
        code_field("code", "Code that the app shows", wrong=wrong is not None),
        button("Add the app"),
    )


def recovery_codes(action: str, codes: Sequence[str]) -> str:
    """Show recovery codes, once."""
    return (
        "<p>Keep these recovery codes where you find them without your device. Each stands in for a second factor once. "
        "They are not shown again.</p>\n"
        + listed(codes, extra=' class="code" id="codes"')
        + f'\n<p><a href="{escape(action)}">I have kept them</a></p>'
    )


def _factor(action: str, fields: Fields, factor: Factor) -> str:
    kind = KINDS[factor.kind]
    name = f"{kind}: {factor.name}" if factor.name else kind
    used = "never used" if factor.last_used_at is None else f"last used {factor.last_used_at:%Y-%m-%d}"
    return (
        f'<p><strong>{escape(name)}</strong><br><span class="muted">added {factor.created_at:%Y-%m-%d}, {used}</span></p>\n'
        + form(
            action,
            {**fields, "step": "remove", "factor_id": str(factor.id)},
            button("Remove", secondary=True, spoken=f"Remove {name}"),
        )
        + "\n"
    )


def _codes(action: str, fields: Fields, left: int) -> str:
    return f"<h2>Recovery codes</h2>\n<p>{left} left.</p>\n" + _step(action, fields, "codes", "Make new recovery codes")


def _step(action: str, fields: Fields, step: str, label: str) -> str:
    return form(action, {**fields, "step": step}, button(label, secondary=True)) + "\n"


def _grouped(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def _qr_code(uri: str) -> str:
    """Return the code as inline SVG, dark on light whatever the page's colours."""
    import segno

    drawn: str = segno.make(uri, micro=False).svg_inline(scale=6, border=4, light="#fff", dark="#000")
    return drawn.replace("<svg ", '<svg role="img" aria-label="QR code with the key that is written below" ', 1)
