"""The frame around every page."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from reactor_auth.config import PagesConfig
from reactor_auth.pages.colours import link_colour, readable_on
from reactor_auth.redirects import origin

if TYPE_CHECKING:
    import falcon

_STYLE = """\
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#ffffff;--text:#16181d;--muted:#555b66;--line:#c4c9d2;--field:#ffffff;\
--error:#b3261e;--error-bg:#fdecea}
@media (prefers-color-scheme:dark){:root{--bg:#14161a;--card:#1d2026;--text:#eceef2;--muted:#a9afbb;--line:#4a505c;\
--field:#14161a;--error:#ffb4ab;--error-bg:#3a1513;--link:#9db4ff}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;flex-direction:column;align-items:center;justify-content:center;padding:1rem;\
background:var(--bg);color:var(--text);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:26rem;background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.5rem}
header{margin-bottom:1rem}
header img{max-height:40px;max-width:100%}
header p{margin:0;font-weight:600;color:var(--muted)}
h1{font-size:1.4rem;line-height:1.25;margin:0 0 .75rem}
h2{font-size:1.1rem;line-height:1.25;margin:1rem 0 .5rem}
p{margin:0 0 1rem}
svg{display:block;max-width:100%;height:auto;margin:0 auto 1rem}
label{display:block;font-weight:600;margin:0 0 .25rem}
input[type=text],input[type=email],input[type=password]{width:100%;font:inherit;padding:.6rem .7rem;color:var(--text);\
background:var(--field);border:1px solid var(--line);border-radius:8px;margin:0 0 1rem}
button{width:100%;font:inherit;font-weight:600;padding:.7rem 1rem;border:1px solid transparent;border-radius:8px;\
background:var(--accent);color:var(--on-accent);cursor:pointer;margin:0 0 .5rem}
button.secondary{background:transparent;color:var(--text);border-color:var(--line)}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.error{background:var(--error-bg);color:var(--error);border-left:4px solid var(--error);border-radius:4px;\
padding:.6rem .8rem;margin:0 0 1rem}
.error a{color:inherit}
.muted{color:var(--muted)}
code,.code{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;overflow-wrap:anywhere}
"""


class Layout:
    """Makes whole pages and answers with them."""

    def __init__(self, config: PagesConfig) -> None:
        self._config = config
        self._style = f":root{{{_accents(config.accent)}}}\n{_STYLE}"

    def page(self, title: str, body_html: str, *, lang: str = "en") -> str:
        """Return a whole page. `title` is text; `body_html` is HTML whose variables the caller has escaped."""
        config = self._config
        name = escape(config.name)
        mark = f"<p>{name}</p>"
        if config.logo_url is not None:
            mark = f'<img src="{escape(config.logo_url)}" alt="{name}">'
        extra = "" if config.css_url is None else f'<link rel="stylesheet" href="{escape(config.css_url)}">\n'
        return (
            f'<!doctype html>\n<html lang="{escape(lang)}">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="robots" content="noindex">\n'
            f"<title>{escape(title)} – {name}</title>\n<style>\n{self._style}</style>\n{extra}</head>\n"
            f"<body>\n<main>\n<header>{mark}</header>\n<h1>{escape(title)}</h1>\n{body_html}\n</main>\n</body>\n</html>\n"
        )

    def answer(
        self,
        response: falcon.Response,
        title: str,
        body_html: str,
        *,
        status: str = "200 OK",
        form_targets: Iterable[str] = (),
        script: str | None = None,
    ) -> None:
        """Answer with a page that no cache keeps, no other page frames and that runs nothing but `script`.

        `form_targets` are the addresses that a form of the page may end up at, by redirects, besides this server;
        `script` is the text of a script element in `body_html`.
        """
        response.status = status
        response.content_type = "text/html; charset=utf-8"
        response.text = self.page(title, body_html)
        response.set_header("Content-Security-Policy", self.policy(form_targets, script))
        response.set_header("Cache-Control", "no-store")
        # The addresses of these pages carry tokens.
        response.set_header("Referrer-Policy", "no-referrer")
        response.set_header("X-Content-Type-Options", "nosniff")
        response.set_header("X-Frame-Options", "DENY")

    def policy(self, form_targets: Iterable[str] = (), script: str | None = None) -> str:
        """Return the Content-Security-Policy of the pages."""
        config = self._config
        styles = [_hash_source(f"\n{self._style}"), *([] if config.css_url is None else [origin(config.css_url)])]
        images = ["'none'"] if config.logo_url is None else [origin(config.logo_url)]
        # Chromium applies form-action to where a form is redirected to as well.
        targets = dict.fromkeys(["'self'", *(_source(target) for target in form_targets)])
        return (
            f"default-src 'none'; style-src {' '.join(styles)}; img-src {' '.join(images)}; "
            + ("" if script is None else f"script-src {_hash_source(script)}; ")
            + f"form-action {' '.join(targets)}; frame-ancestors 'none'; base-uri 'none'"
        )


def _hash_source(text: str) -> str:
    import base64
    import hashlib

    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _source(url: str) -> str:
    scheme, _, _ = url.partition(":")
    return origin(url) if scheme in ("http", "https") else f"{scheme}:"


def _accents(accent: str) -> str:
    return f"--accent:{accent};--on-accent:{readable_on(accent)};--link:{link_colour(accent)}"
