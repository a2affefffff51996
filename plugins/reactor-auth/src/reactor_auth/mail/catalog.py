"""The mails there are, with the variables each one's templates may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# What every template may use besides the variables of its mail.
COMMON: Mapping[str, str] = {
    "app_name": "`[auth.pages] name`",
    "accent": "`[auth.pages] accent`",
    "on_accent": "black or white, whichever can be read on the accent",
    "logo_url": "`[auth.pages] logo_url`, or nothing",
    "site_url": "the front end, else this server",
    "to": "the address the mail goes to",
}


@dataclass(frozen=True, slots=True)
class MailKind:
    """A mail: why it is sent, and its variables by name with their meaning.

    `secret` says that its contents let the reader in, so that they are erased once they are sent.
    """

    name: str
    reason: str
    variables: Mapping[str, str]
    secret: bool = False


_KINDS = (
    MailKind(
        "verification",
        "somebody signed up with this address, or asked for the mail again",
        {"verify_link": "confirms the address", "expires_hours": "how long the link works"},
        secret=True,
    ),
    MailKind(
        "password_reset",
        "a new password was asked for",
        {"reset_link": "leads to the form for a new password", "expires_minutes": "how long the link works"},
        secret=True,
    ),
    MailKind(
        "magic_link",
        "a sign-in without password was asked for",
        {
            "sign_in_link": "signs in",
            "code": "the six digits that sign in as well",
            "expires_minutes": "how long both work",
        },
        secret=True,
    ),
    MailKind(
        "email_change",
        "an account wants to use this address from now on",
        {"confirm_link": "confirms the new address", "expires_hours": "how long the link works"},
        secret=True,
    ),
    MailKind(
        "email_changed",
        "an account stopped using this address",
        {"new_email": "the address it uses now"},
    ),
    MailKind(
        "account_exists",
        "somebody wanted an account with this address, which has one",
        {"reset_link": "where a new password can be asked for"},
    ),
    MailKind(
        "password_changed",
        "the password of the account was changed",
        {"changed_at": "when, in UTC", "ip": "the client's address, or nothing"},
    ),
    MailKind(
        "new_device",
        "the account was signed in from a browser or program not seen before",
        {
            "signed_in_at": "when, in UTC",
            "ip": "the client's address, or nothing",
            "user_agent": "what it calls itself",
        },
    ),
    MailKind(
        "mfa_changed",
        "a second factor was added, removed or renewed",
        {"change": "what changed, as a sentence", "changed_at": "when, in UTC"},
    ),
    MailKind(
        "invitation",
        "somebody was invited to an organisation",
        {
            "org_name": "name of the organisation",
            "role_name": "role the invited person gets",
            "invite_link": "accepts",
            "expires_hours": "how long the link works",
        },
        secret=True,
    ),
    MailKind(
        "account_deleted",
        "the account was deleted by its owner",
        {"erased_on": "the day its data are erased"},
    ),
)

KINDS: Mapping[str, MailKind] = {kind.name: kind for kind in _KINDS}


def demand_complete(template: str, variables: Mapping[str, object]) -> None:
    """Raise ValueError unless `template` is a mail and `variables` are exactly its variables."""
    kind = KINDS.get(template)
    if kind is None:
        raise ValueError(f"there is no mail {template!r}; there are {', '.join(KINDS)}")
    missing, unknown = kind.variables.keys() - variables.keys(), variables.keys() - kind.variables.keys()
    if missing or unknown:
        problems = [f"lacks {name}" for name in sorted(missing)] + [f"knows no {name}" for name in sorted(unknown)]
        raise ValueError(f"mail {template} {', '.join(problems)}")
