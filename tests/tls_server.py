"""A file server over TLS on this machine, with a certificate made on the spot, that can misbehave. `import tls_server`."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@dataclass
class Served:
    """What a server serves, and what it was asked for.

    Attributes:
        url: https address of its root.
        certificate: the file that a client must trust (`SSL_CERT_FILE`).
        files: content by path.
        cut_after: connections break after so many bytes of a body, one after the other; then they hold.
        statuses: answered in place of a file, one after the other; then files are served.
        ranges: whether `Range` is honoured.
        redirect: where all requests are sent, or "".
        when_cut: called in the server's thread each time a connection has been broken.
        asked: (path, Range header or "") of each request.
    """

    url: str = ""
    certificate: Path = Path()
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    redirect: str = ""
    when_cut: Callable[[], object] = lambda: None
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Run a server until the block ends; certificate and key are written to `folder`."""
    served = Served(certificate=certificate(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served.certificate, folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    served.url = f"https://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(folder: Path) -> Path:
    """A certificate of `localhost` by openssl's command, or a skip that says so."""
    path = folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += [
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        str(folder / "key.pem"),
        "-out",
        str(path),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"openssl cannot make a certificate here: {error}")
    return path


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.asked.append((self.path, self.headers.get("Range", "")))
            if served.redirect:
                self._head(302, 0, Location=served.redirect)
            elif served.statuses:
                self._head(served.statuses.pop(0), 0)
            elif self.path.lstrip("/") not in served.files:
                self._head(404, 0)
            else:
                self._body(served.files[self.path.lstrip("/")])

        def _body(self, content: bytes) -> None:
            asked = self.headers.get("Range", "") if served.ranges else ""
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if start >= len(content) > 0:
                self._head(416, 0)
                return
            rest = content[start:]
            more = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if asked else {}
            self._head(206 if asked else 200, len(rest), **more)
            if served.cut_after:
                self.wfile.write(rest[: served.cut_after.pop(0)])
                self.wfile.flush()
                served.when_cut()
                self.close_connection = True
            else:
                self.wfile.write(rest)

        def _head(self, status: int, length: int, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silence."""

    return Handler
