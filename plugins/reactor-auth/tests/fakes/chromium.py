"""A headless Chromium, driven through its debugging pipe."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

PICTURES = os.environ.get("REACTOR_TEST_PICTURES")
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Chromium:
    """One tab. Commands and answers are JSON ended by NUL (`--remote-debugging-pipe`)."""

    def __init__(self, profile: Path) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        assert PROGRAM is not None

        def wire() -> None:
            # Copied out of the way first: one of them may be 3 or 4 itself.
            first, second = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self._process = subprocess.Popen(
            [
                PROGRAM,
                *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
                *("--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"),
            ],
            preexec_fn=wire,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._next = 0
        self._session: str | None = None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **params: Any) -> Any:
        """Send a command and return its answer; events in between are dropped."""
        self._next += 1
        message: dict[str, Any] = {"id": self._next, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                chunk = os.read(self._in, 1 << 16)
                assert chunk, "Chromium ended"
                self._buffer += chunk
            line, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self._next:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page, as a debugger may."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def wait(self, condition: str, seconds: float = 20.0) -> None:
        """Wait until a JavaScript expression holds."""
        deadline = time.monotonic() + seconds
        while not self.run(f"Boolean(document.readyState === 'complete' && ({condition}))"):
            assert time.monotonic() < deadline, f"{condition}: still at {self.run('location.href')}"
            time.sleep(0.05)

    def step(self, step: str) -> None:
        """Wait for the form of a step."""
        self.wait(f"document.querySelector('input[name=step][value={step}]')")

    def submit(self, step: str, decision: str | None = None, **filled: str) -> None:
        """Fill in the form of a step and press its button."""
        for name, value in filled.items():
            self.run(f"document.getElementById({name!r}).value = {value!r}")
        button = "button" if decision is None else f"button[value={decision}]"
        self.run(f"document.querySelector('input[name=step][value={step}]').form.querySelector('{button}').click()")

    def says(self, text: str) -> None:
        """Wait for a text."""
        self.wait(f"document.body.textContent.includes({json.dumps(text)})")

    def fits(self, name: str) -> None:
        """Look at a page as on a phone, a desktop and in the dark; keep pictures where somebody wants to see them."""
        for shape, width, height, dark in (
            ("phone", 390, 844, False),
            ("desktop", 1280, 800, False),
            ("dark", 390, 844, True),
        ):
            self.size(width, height, dark=dark)
            # Nothing may have to be scrolled sideways.
            assert self.run("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide for {shape}"
            if PICTURES:
                self.picture(Path(PICTURES) / f"{name}-{shape}.png")

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._in)
        os.close(self._out)
