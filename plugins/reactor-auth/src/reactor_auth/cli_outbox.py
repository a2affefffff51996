"""`reactor auth outbox`."""

from __future__ import annotations

from typing import Any

import click

from reactor_kernel.api import CommandContext


@click.command("outbox")
@click.option("--to", help="Only mails to this address.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many, newest first.")
@click.pass_obj
def outbox(command: CommandContext, to: str | None, limit: int) -> None:
    """Show what was mailed, what waits and what went wrong.

    In development, without [auth.smtp], the mails themselves are shown with their links and codes.
    """
    params = {"limit": str(limit)} if to is None else {"limit": str(limit), "to": to}
    mails = command.request("GET", "/auth/v1/_admin/outbox", params=params)["mails"]
    command.emit(mails, lambda: "\n".join(_shown(mail) for mail in mails) if mails else "The outbox is empty.")


def _shown(mail: dict[str, Any]) -> str:
    line = f"{mail['created_at'][:19]}Z  {mail['state']:<8}  {mail['template']:<18}  {mail['to']}"
    if mail["last_error"]:
        line += f"\n    {mail['last_error']}"
    if "text" in mail:
        body = "\n".join(f"    {row}".rstrip() for row in mail["text"].splitlines())
        line += f"\n    {mail['subject']}\n\n{body}\n"
    return line
