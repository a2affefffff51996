"""`reactor hello NAME`."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request

import click


@click.command()
@click.argument("name")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="The running server.")
def hello(name: str, url: str) -> None:
    """Greet NAME through the running server."""
    address = f"{url.rstrip('/')}/hello/v1/greeting/{urllib.parse.quote(name, safe='')}"
    if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
        raise click.UsageError(f"{url} is not an http(s) URL")
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            click.echo(json.load(response)["text"])
    except urllib.error.HTTPError as refused:
        message = json.load(refused).get("error", {}).get("message", refused.reason)
        raise click.ClickException(message) from refused
    except urllib.error.URLError as missing:
        raise click.ClickException(
            f"no server answers at {url} ({missing.reason}); start one with: reactor up"
        ) from None
