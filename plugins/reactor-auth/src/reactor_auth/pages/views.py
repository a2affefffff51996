"""What the pages of the provider say. Each returns HTML for the frame of `pages.layout`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from reactor_auth import oauth_scopes
from reactor_auth.oauth_model import DeviceRequest
from reactor_auth.pages.forms import button, code_field, field, form, listed, problem

Fields = Mapping[str, str]


def sign_in(
    action: str,
    fields: Fields,
    purpose: str,
    *,
    email: str = "",
    wrong: str | None = None,
    sign_up: bool = False,
    passkeys: bool = False,
) -> str:
    """Ask for e-mail address and password; `passkeys` offers to use one instead."""
    return (
        f"<p>{escape(purpose)}</p>\n"
        + problem(wrong, "email" if wrong else None)
        + form(
            action,
            {**fields, "step": "signin"},
            field(
                "email",
                "E-mail address",
                kind="email",
                autocomplete="username",
                value=email,
                wrong=wrong is not None,
                first=not email,
            ),
            field(
                "password",
                "Password",
                kind="password",
                autocomplete="current-password",
                wrong=wrong is not None,
                first=bool(email),
            ),
            button("Sign in"),
        )
        + (_passkey(action, fields, "passkey", "Sign in with a passkey") if passkeys else "")
        + (
            form(action, {**fields, "step": "signup_page"}, button("Create an account", secondary=True))
            if sign_up
            else ""
        )
    )


def sign_up(
    action: str, fields: Fields, purpose: str, *, email: str = "", wrong: str | None = None, about: str = "email"
) -> str:
    """Ask for what a new account needs."""
    return (
        f"<p>{escape(purpose)}</p>\n"
        + problem(wrong, about)
        + form(
            action,
            {**fields, "step": "signup"},
            field(
                "email",
                "E-mail address",
                kind="email",
                autocomplete="username",
                value=email,
                wrong=wrong is not None and about == "email",
                first=about == "email",
            ),
            field(
                "password",
                "New password",
                kind="password",
                autocomplete="new-password",
                wrong=wrong is not None and about == "password",
                first=about == "password",
            ),
            button("Create an account"),
        )
        + form(action, {**fields, "step": "signin_page"}, button("I have an account", secondary=True))
    )


def second_factor(
    action: str,
    fields: Fields,
    email: str,
    *,
    apps: bool = True,
    passkeys: bool = False,
    wrong: str | None = None,
) -> str:
    """Ask for the second factor; `apps` and `passkeys` say what the account has beside recovery codes."""
    codes = (
        "the code of your authenticator app, or one of your recovery codes" if apps else "one of your recovery codes"
    )
    return (
        f"<p>Signed in as <strong>{escape(email)}</strong>. "
        f"{'Use your passkey, or enter' if passkeys else 'Enter'} {codes}.</p>\n"
        + problem(wrong, "code")
        + form(
            action,
            {**fields, "step": "factor"},
            code_field("code", "Code", wrong=wrong is not None),
            button("Continue"),
        )
        + (_passkey(action, fields, "factor_passkey", "Use a passkey") if passkeys else "")
        + _switch(action, fields)
    )


def consent(action: str, fields: Fields, client: str, host: str, email: str, scopes: Sequence[str]) -> str:
    """Ask whether an application may have what it wants."""
    return (
        f"<p><strong>{escape(client)}</strong> wants to:</p>\n"
        + listed(oauth_scopes.meaning(scope) for scope in scopes)
        + f'<p class="muted">You are signed in as {escape(email)}. Afterwards you return to '
        f'<span class="code">{escape(host)}</span>. You can take this back at any time.</p>\n'
        + form(
            action,
            {**fields, "step": "consent"},
            button("Allow", name="decision", value="allow"),
            button("Deny", name="decision", value="deny", secondary=True),
        )
        + _switch(action, fields)
    )


def device_code(action: str, fields: Fields, email: str, *, code: str = "", wrong: str | None = None) -> str:
    """Ask for the code a device shows."""
    return (
        f"<p>Signed in as <strong>{escape(email)}</strong>. Enter the code that your device shows.</p>\n"
        + problem(wrong, "user_code")
        + form(
            action,
            {**fields, "step": "code"},
            field(
                "user_code",
                "Code",
                value=code,
                wrong=wrong is not None,
                first=True,
                extra=' autocapitalize="characters" spellcheck="false" maxlength="20"',
            ),
            button("Continue"),
        )
        + _switch(action, fields)
    )


def device_decision(action: str, fields: Fields, request: DeviceRequest, code: str, email: str) -> str:
    """Ask whether a device may act for the user."""
    asked = request.created_at.strftime("%H:%M UTC")
    scopes = [oauth_scopes.meaning(scope) for scope in request.scopes]
    wants = f"<p>It wants to:</p>\n{listed(scopes)}" if scopes else ""
    return (
        f"<p><strong>{escape(request.client.name)}</strong> asks to act for <strong>{escape(email)}</strong>.</p>\n"
        f'<p>Allow this only if the device in front of you shows the code <strong class="code">{escape(code)}</strong>. '
        f"The request came at {asked} from {escape(request.address or 'an unknown address')}"
        + (f", {escape(request.user_agent[:120])}" if request.user_agent else "")
        + f".</p>\n{wants}"
        + form(
            action,
            {**fields, "step": "decide"},
            button("Allow", name="decision", value="allow"),
            button("Deny", name="decision", value="deny", secondary=True),
        )
    )


def sign_out(action: str, fields: Fields, email: str) -> str:
    """Ask whether to sign the browser out."""
    return f"<p>You are signed in as <strong>{escape(email)}</strong>.</p>\n" + form(
        action, {**fields, "step": "sign_out"}, button("Sign out")
    )


def said(text: str) -> str:
    """Say something that asks for nothing."""
    return f"<p>{escape(text)}</p>"


def _passkey(action: str, fields: Fields, step: str, label: str) -> str:
    return form(action, {**fields, "step": step}, button(label, secondary=True))


def _switch(action: str, fields: Fields) -> str:
    return form(action, {**fields, "step": "switch"}, button("Use another account", secondary=True))
