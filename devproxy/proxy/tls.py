"""Upstreams that speak TLS: whose certificate is taken, and what is said when one is not."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from devproxy.proxy.upstream import Hopeless, Upstream, UpstreamConnection
from devproxy.proxy.url import UpstreamUrl

if TYPE_CHECKING:
    import ssl

SHUTDOWN_SECONDS: Final = 2.0
"""How long the other side may take to agree to the end of a connection."""

_OF_ANOTHER_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_OF_THIS_TIME = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are taken. ca: a file with those of the authorities, instead of the system's; verify
    False: everybody's."""

    verify: bool = True
    ca: str = ""


class TlsUpstream(Upstream):
    """An upstream at an https:// URL. It is asked for by the URL's host name (SNI), whatever Host says."""

    def __init__(self, name: str, url: UpstreamUrl, trust: Trust) -> None:
        super().__init__(name, state="ready", addresses=url.addresses)
        self._url = url
        self._trust = trust
        self._context: ssl.SSLContext | None = None

    async def connect(self, host: str, port: int) -> UpstreamConnection:
        import ssl

        loop = asyncio.get_running_loop()
        if self._context is None:  # reading the system's authorities takes 20 ms
            self._context = await asyncio.to_thread(self._make_context)
        try:
            _, connection = await loop.create_connection(
                partial(UpstreamConnection, self),
                host,
                port,
                ssl=self._context,
                server_hostname=self._url.host,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
        except ssl.SSLCertVerificationError as error:
            self._context = None  # the file may be another by the next request
            raise self._untrusted(error) from error
        except ssl.SSLError as error:
            raise self._no_tls(error) from error
        return connection

    def _make_context(self) -> "ssl.SSLContext":
        import ssl

        try:
            context = ssl.create_default_context(cafile=self._trust.ca or None)
        except OSError as error:  # an SSLError is one
            why = error.strerror or "it holds no certificate"
            raise Hopeless(f"The authority {self._trust.ca} cannot be used: {why}.", "See `tls_ca`.") from error
        context.set_alpn_protocols(["http/1.1"])
        # Python 3.13 wants every field that RFC 5280 does. A home-made authority seldom has them, and neither curl
        # nor a browser asks.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self._trust.ca:
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a server's own certificate may stand in the file
        if not self._trust.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _untrusted(self, error: "ssl.SSLCertVerificationError") -> Hopeless:
        reason = f"The certificate of {self._url.authority} was refused: {error.verify_message}."
        any_certificate = "`tls_verify = false` on its route takes any certificate."
        if error.verify_code in (*_OF_ANOTHER_NAME, *_NOT_OF_THIS_TIME):
            return Hopeless(reason, f"If it is the right server: {any_certificate}")
        return Hopeless(
            reason,
            f'`tls_ca = "FILE"` on its route trusts the authority whose certificate is in FILE; {any_certificate}',
        )

    def _no_tls(self, error: "ssl.SSLError") -> Hopeless:
        reason = f"There is no TLS connection with {self._url.authority}: {error.reason or error}."
        hint = "If it speaks plain HTTP, its URL begins with http://." if error.reason in _NO_TLS else ""
        return Hopeless(reason, hint)
