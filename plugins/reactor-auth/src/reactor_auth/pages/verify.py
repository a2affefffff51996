"""The pages behind the links in mails.

A GET of such a link changes nothing: programs that scan mail open every link. The page's one button posts the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

TITLES: Mapping[str, str] = {
    "signup": "Confirm your e-mail address",
    "email_change": "Use this e-mail address",
    "magiclink": "Sign in",
    "recovery": "Sign in to choose a new password",
}
_TEXTS: Mapping[str, str] = {
    "signup": "Press the button to confirm that this e-mail address is yours.",
    "email_change": "Press the button to use this e-mail address for your account from now on.",
    "magiclink": "Press the button to sign in.",
    "recovery": "Press the button to sign in; then choose a new password.",
}
DONE: Mapping[str, tuple[str, str]] = {
    "signup": ("Address confirmed", "Your e-mail address is confirmed. You can close this page."),
    "email_change": ("Address changed", "Your account uses this e-mail address from now on. You can close this page."),
}


def confirm(action: str, kind: str, token: str, redirect_to: str | None) -> str:
    """Return the body of the page with the button."""
    hidden = {"type": kind, "token": token} | ({} if redirect_to is None else {"redirect_to": redirect_to})
    return f"<p>{escape(_TEXTS[kind])}</p>\n{form(action, hidden, '', TITLES[kind])}"


def form(action: str, hidden: Mapping[str, str], fields_html: str, button: str) -> str:
    """Return a form; `fields_html` is HTML whose variables the caller has escaped."""
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">\n' for name, value in hidden.items()
    )
    return (
        f'<form method="post" action="{escape(action)}">\n{inputs}{fields_html}'
        f'<button type="submit">{escape(button)}</button>\n</form>'
    )


def message(text: str) -> str:
    """Return a body of one sentence."""
    return f"<p>{escape(text)}</p>"


def new_password(action: str, token: str, error: str | None, min_length: int) -> str:
    """Return the body of the form for a new password; an error is tied to its field."""
    summary, described = "", "hint"
    if error is not None:
        summary = f'<p class="error" role="alert" id="problem"><a href="#new_password">{escape(error)}</a></p>\n'
        described = "problem hint"
    fields = (
        '<label for="new_password">New password</label>\n'
        f'<p class="muted" id="hint">At least {min_length} characters.</p>\n'
        '<input type="password" id="new_password" name="new_password" autocomplete="new-password" required '
        f'aria-describedby="{described}"{" aria-invalid=" + chr(34) + "true" + chr(34) if error else ""}>\n'
    )
    return summary + form(action, {"token": token}, fields, "Set the new password")


def ask_for_reset(action: str) -> str:
    """Return the body of the form that asks for a mail with a link."""
    fields = (
        '<label for="email">E-mail address</label>\n'
        '<input type="email" id="email" name="email" autocomplete="email" required>\n'
    )
    return form(action, {}, fields, "Send me a link")
