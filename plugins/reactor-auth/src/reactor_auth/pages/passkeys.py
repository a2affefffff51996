"""The form that asks for a passkey. Only the browser can talk to an authenticator, so this one page needs a script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from reactor_auth.pages.forms import button, field, form

# Makes or uses a passkey as `data-options` says, puts it into the form as JSON (W3C Web Authentication, level 3, §5.1)
# and submits. Binary members are base64url strings on the wire.
SCRIPT = """\
(() => {
const form = document.querySelector("form[data-options]"), said = document.getElementById("problem");
const bytes = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0));
const text = buffer => buffer && btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\\+/g, "-").replace(/\\//g, "_").replace(/=+$/, "");
const known = list => list && list.map(item => ({...item, id: bytes(item.id)}));
async function ask() {
  const asked = JSON.parse(form.dataset.options);
  asked.challenge = bytes(asked.challenge);
  let found;
  if (asked.user) {
    asked.user.id = bytes(asked.user.id);
    asked.excludeCredentials = known(asked.excludeCredentials);
    found = await navigator.credentials.create({publicKey: asked});
  } else {
    asked.allowCredentials = known(asked.allowCredentials);
    found = await navigator.credentials.get({publicKey: asked});
  }
  const answer = found.response, response = {clientDataJSON: text(answer.clientDataJSON)};
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"])
    if (answer[name]) response[name] = text(answer[name]);
  if (answer.getTransports) response.transports = answer.getTransports();
  form.elements.credential.value =
    JSON.stringify({id: found.id, rawId: text(found.rawId), type: found.type, response});
  form.submit();
}
form.addEventListener("submit", event => {
  event.preventDefault();
  said.hidden = true;
  const button = form.querySelector("button");
  button.disabled = true;
  ask().catch(fault => {
    said.textContent = `The browser gave no passkey (${fault.name}). Try again.`;
    said.hidden = false;
    button.disabled = false;
    said.focus();
  });
});
})();
"""


def prompt(
    action: str, fields: Mapping[str, str], text: str, label: str, options: Mapping[str, Any], *, names: bool = False
) -> str:
    """Ask for a passkey: for a new one where `names` is set, which may then be given a name.

    `options` are what `Ceremonies` made; `fields` name the step that takes the answer and the ceremony.
    """
    asked = escape(json.dumps(options["publicKey"], separators=(",", ":")))
    called = field("name", "Name of the passkey (optional)", required=False, extra=' maxlength="100"') if names else ""
    return (
        f"<p>{escape(text)}</p>\n"
        "<noscript><p>Passkeys need JavaScript, which is switched off in this browser. "
        "All other pages work without it.</p></noscript>\n"
        '<div class="error" role="alert" id="problem" tabindex="-1" hidden></div>\n'
        + form(action, {**fields, "credential": ""}, called, button(label), extra=f' data-options="{asked}"')
        + f"\n<script>{SCRIPT}</script>"
    )
