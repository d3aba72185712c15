"""Opening an address over TLS with its certificate verified, redirects included."""

from __future__ import annotations

import ssl
import urllib.request
from http.client import HTTPMessage
from typing import IO, Any, Final

from benchbed import __version__
from benchbed.errors import UsageError

TIMEOUT_S: Final = 30.0
_AGENT: Final = f"benchbed/{__version__}"


class _OnlyTls(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https alone."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        check_tls(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_tls(url: str) -> None:
    """Refuse an address without TLS.

    Raises:
        UsageError: it does not begin with https://.
    """
    if not url.startswith("https://"):
        raise UsageError(
            f"{url} is not https: benchbed downloads over TLS alone; get the file by hand and pass its folder as --from"
        )


def open_url(url: str, start: int = 0) -> Any:
    """An open response, from byte `start` where the server can.

    Certificates are verified against the system's, or those of `$SSL_CERT_FILE`.

    Raises:
        UsageError: the address, or one that it redirects to, is not https.
        OSError: no connection, no valid certificate, or an HTTP error status (urllib's errors are of this kind).
    """
    check_tls(url)
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    opener = urllib.request.build_opener(
        _OnlyTls, urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    return opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
