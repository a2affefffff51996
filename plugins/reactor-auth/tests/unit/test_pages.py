"""The frame of the pages: escaping, policy, contrast."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from reactor_auth.config import PagesConfig
from reactor_auth.pages import verify
from reactor_auth.pages.colours import READABLE, contrast, link_colour, readable_on
from reactor_auth.pages.layout import Layout


def test_names_and_titles_are_text():
    page = Layout(PagesConfig(name="A<b>&", logo_url="https://cdn.example/x.png?a=1&b=2")).page("T<i>", "<p>body</p>")
    assert "<b>" not in page
    assert "<i>" not in page
    assert "<title>T&lt;i&gt; – A&lt;b&gt;&amp;</title>" in page
    assert '<img src="https://cdn.example/x.png?a=1&amp;b=2" alt="A&lt;b&gt;&amp;">' in page
    assert "<p>body</p>" in page
    assert '<html lang="en">' in page
    assert page.count("<h1>") == 1


def test_the_policy_allows_exactly_what_the_page_uses():
    layout = Layout(PagesConfig(logo_url="https://img.example/logo.svg", css_url="https://css.example/a.css"))
    style = re.search(r"<style>(.*?)</style>", layout.page("T", ""), re.S)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert layout.policy(["https://app.example:8443/x?y", "myapp://signed-in"]) == (
        f"default-src 'none'; style-src 'sha256-{digest}' https://css.example; img-src https://img.example; "
        "form-action 'self' https://app.example:8443 myapp:; frame-ancestors 'none'; base-uri 'none'"
    )
    assert "img-src 'none'; form-action 'self'; frame-ancestors" in Layout(PagesConfig()).policy()


@pytest.mark.parametrize("accent", ["#2952cc", "#ffcc00", "#ffffff", "#000000", "#777777", "#ff0000", "#00ff00"])
def test_text_can_be_read_whatever_the_accent(accent):
    assert contrast(readable_on(accent), accent) >= READABLE
    assert contrast(link_colour(accent), "#ffffff") >= READABLE


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#ffffff", "#ffffff") == 1


def test_forms_escape_what_they_carry():
    body = verify.confirm("/auth/v1/verify", "signup", '"><x>', "https://a.example/?x=1&y='")
    assert "<x>" not in body
    assert 'value="https://a.example/?x=1&amp;y=&#x27;"' in body
