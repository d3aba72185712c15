"""A real headless Chromium, driven over its debugging pipe: no driver, no library, no port.

The Chrome DevTools Protocol over `--remote-debugging-pipe`: the browser reads commands on descriptor 3 and writes answers
and events on descriptor 4, each a JSON text that ends with a zero byte.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)
PATIENCE = 60.0  # seconds for one answer, on a busy machine
KEYS = {
    "Enter": 13,
    "Escape": 27,
    "Tab": 9,
    "ArrowDown": 40,
    "ArrowUp": 38,
    "ArrowLeft": 37,
    "ArrowRight": 39,
}


def chromium() -> str:
    """The browser's path; skips the test where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    return found


class Browser:
    """One browser with one page.

    Attributes:
        problems: what the page complained of: exceptions, console errors and warnings, refused loads.
        requests: addresses that it asked for, other than its own file and data in the page.
    """

    def __init__(self, command: list[str]) -> None:
        (ours_out, theirs_in), (theirs_out, ours_in) = os.pipe(), os.pipe()
        self._read, self._write = ours_out, ours_in
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_out} 4>&{theirs_in}', "browser", *command],
            pass_fds=(theirs_out, theirs_in),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_out)
        os.close(theirs_in)
        self._buffer, self._last, self._session = b"", 0, ""
        self._loaded = False
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._attach()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        with suppress(OSError, AssertionError):
            self.call("Browser.close", session="")
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def _attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; events that come before it are noted."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self._session if session is None else session:
            message["sessionId"] = self._session if session is None else session
        _write_all(self._write, json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda each: each.get("id") == self._last)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, address: str) -> None:
        """Load a page and wait until it has loaded."""
        self._loaded = False
        self.call("Page.navigate", url=address)
        if not self._loaded:
            self._wait(lambda each: each.get("method") == "Page.loadEventFired")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, f"{script}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """What a person reads in the first element that fits."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def texts(self, selector: str) -> list[str]:
        """What a person reads in every visible element that fits."""
        visible = (
            "[...document.querySelectorAll(%s)].filter(e => e.getClientRects().length)"
            ".map(e => (e.innerText ?? e.textContent).trim())"
        )
        return list(self.run(visible % json.dumps(selector)))

    def click(self, selector: str) -> None:
        """Move the mouse to the middle of the first visible element that fits, and click as a person does."""
        x, y = self.point(selector)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def hover(self, selector: str) -> None:
        """Move the mouse to the middle of the first visible element that fits."""
        x, y = self.point(selector)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def point(self, selector: str) -> tuple[float, float]:
        """The middle of the first visible element that fits, scrolled into view; CSS pixels of the window."""
        found = self.run(
            f"""(() => {{
              const fits = [...document.querySelectorAll({json.dumps(selector)})];
              const e = fits.find(each => each.getClientRects().length);
              if (!e) return null;
              e.scrollIntoView({{block: "center", inline: "center", behavior: "instant"}});
              const r = e.getBoundingClientRect();
              return [r.x + r.width / 2, r.y + r.height / 2];
            }})()"""
        )
        assert found, f"nothing visible fits {selector}"
        return found[0], found[1]

    def choose(self, selector: str, value: str) -> None:
        """Pick an option of a <select>, as its own list would."""
        script = (
            "(e => { e.value = %s; e.dispatchEvent(new Event('input', {bubbles: true})); return e.value; })"
            "(document.querySelector(%s))"
        )
        found = self.run(script % (json.dumps(value), json.dumps(selector)))
        assert found == value, f"{selector} has no option {value!r}"

    def wait(self, script: str, seconds: float = 20.0) -> Any:
        """The value of an expression once it is true."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.05)
        return found

    def key(self, name: str) -> None:
        """Press and release one key: a name in `KEYS` or a character."""
        code = KEYS.get(name, ord(name[0].upper()))
        typed = {"Enter": "\r"}.get(name, name if len(name) == 1 else "")
        about: dict[str, Any] = {
            "key": name,
            "windowsVirtualKeyCode": code,
            "nativeVirtualKeyCode": code,
        }
        self.call("Input.dispatchKeyEvent", type="keyDown", text=typed, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def write(self, words: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=words)

    def size(self, width: int, height: int, scale: float = 1) -> None:
        """The window's inner size, CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )

    def media(self, kind: str = "", **features: str) -> None:
        """Emulate a medium (`print`) and features, e.g. `prefers_color_scheme="dark"`."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", media=kind, features=named)

    def picture(self, path: Path, whole: bool = False) -> None:
        """A screenshot as PNG: of the window, or of the whole page."""
        answer = self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=whole, **self._clip(whole)
        )
        path.write_bytes(base64.b64decode(answer["data"]))

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def pdf(self, path: Path) -> None:
        """The page as it prints, A4."""
        answer = self.call("Page.printToPDF", printBackground=False, paperWidth=8.27, paperHeight=11.69)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _wait(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while True:
            for message in self._messages(end):
                self._note(message)
                if wanted(message):
                    return message

    def _messages(self, end: float) -> Iterator[dict[str, Any]]:
        """One message at a time, so that what follows stays in the buffer."""
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._read, 2**16)
            assert piece, "the browser has ended"
            self._buffer += piece
        text, self._buffer = self._buffer.split(b"\0", 1)
        yield json.loads(text)

    def _note(self, message: dict[str, Any]) -> None:
        about, params = message.get("method", ""), message.get("params", {})
        if about == "Page.loadEventFired":
            self._loaded = True
        elif about == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.problems.append(str(details.get("exception", {}).get("description", details["text"])))
        elif about == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(str([each.get("value", each.get("description")) for each in params["args"]]))
        elif about == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(str(params["entry"]["text"]))
        elif about == "Network.requestWillBeSent":
            address = params["request"]["url"]
            if not address.startswith(("data:", "blob:", "about:")):
                self.requests.append(address)


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with an empty profile, gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [chromium(), *FLAGS, f"--user-data-dir={profile}"]
        with Browser(command) as driven:
            yield driven
