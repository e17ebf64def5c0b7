"""`rewrite_origin`: an upstream that is to believe it was asked directly, and answers that work here. Pure.

For servers that know one host name only: a staging system, an API with CSRF checks. Towards them Host, Origin and
Referer name their own origin; on the way back redirects and cookies are made to fit ours. Only what names one of
these two origins is changed: a foreign Origin, or a redirect that leads elsewhere, stays as it is.

Sources: RFC 9110 §10.2.2 (Location), §8.7 (Content-Location), RFC 6265bis §4.1 (Set-Cookie).
"""

import re
from dataclasses import dataclass

from devproxy.hosts import DEFAULT_PORTS, BadHost, split_host
from devproxy.proxy.head import RequestHead
from devproxy.proxy.headers import FORWARDING, Hop
from devproxy.proxy.url import UpstreamUrl

HIDDEN = tuple(name.decode() for name in FORWARDING)
"""What would tell the upstream that it was not asked directly. Frameworks believe it more than Host, and compare
Origin with it."""

_REFERENCE = re.compile(rb"(?:(https?):)?//([^/?#]*)([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_PATH = re.compile(rb"(/[^?#]*)(.*)", re.DOTALL)
_REFRESH = re.compile(rb"([ \t]*[0-9.]+[ \t]*[;,][ \t]*(?:url[ \t]*=[ \t]*)?[\"']?)(.*?)([\"']?[ \t]*)", re.IGNORECASE)
_NEEDS_SECURE = (b"__secure-", b"__host-")


@dataclass(frozen=True, slots=True)
class OriginRewrite:
    """Between the origin of `url` and ours.

    prefix: what the route takes away from the front of a path: on the way back it is put there again.
    """

    url: UpstreamUrl
    prefix: bytes = b""

    def request_fields(self, fields: list[tuple[bytes, bytes]], host: bytes) -> list[tuple[bytes, bytes]]:
        """A request's fields, those that name our own origin naming the upstream's instead. Args: host: its Host."""
        own, theirs = host.lower(), self.url.origin.encode()
        changed = []
        for name, value in fields:
            if name.lower() in (b"origin", b"referer"):
                match = _REFERENCE.fullmatch(value)
                if match is not None and match[1] and match[2].lower() == own:
                    value = theirs + match[3] + match[4]
            changed.append((name, value))
        return changed

    def response_fields(self, fields: list[tuple[bytes, bytes]], own: bytes) -> list[tuple[bytes, bytes]]:
        """The answer's fields, those that name the upstream's origin naming `own` instead."""
        changed = []
        for name, value in fields:
            key = name.lower()
            if key in (b"location", b"content-location"):
                value = self._reference(value, own)
            elif key == b"refresh" and (match := _REFRESH.fullmatch(value)) is not None:
                value = match[1] + self._reference(match[2], own) + match[3]
            elif key == b"set-cookie":
                value = self._cookie(value, is_secure=own.startswith(b"https:"))
            changed.append((name, value))
        return changed

    def _reference(self, value: bytes, own: bytes) -> bytes:
        """A URL, or a path from the root of the upstream, as it is reached here; others are no business of ours."""
        if (match := _REFERENCE.fullmatch(value)) is not None:
            scheme, authority, path, rest = match.groups()
            if not self._is_ours(scheme, authority):
                return value
            here = self._path(path or b"/")
            return own + here + rest if here is not None else value
        if (match := _PATH.fullmatch(value)) is None or (here := self._path(match[1])) is None:
            return value  # from where it stands, or below it: the same here
        return (own if here[:2] == b"//" else b"") + here + match[2]  # //x would be another host

    def _is_ours(self, scheme: bytes | None, authority: bytes) -> bool:
        """Whether it is the upstream's; also by the other scheme, for a server behind one that speaks TLS for it."""
        default = DEFAULT_PORTS[scheme.decode().lower() if scheme else self.url.scheme]
        try:
            host, port = split_host(authority)
        except BadHost:
            return False
        port = port or default
        usual = port == default and self.url.port == DEFAULT_PORTS[self.url.scheme]
        return host == self.url.name and (port == self.url.port or usual)

    def _path(self, path: bytes) -> bytes | None:
        """Where a path of the upstream is here; None: nowhere."""
        base = self.url.base.encode()
        if path != base and not path.startswith(base + b"/"):
            return None
        return self.prefix + path[len(base) :] or b"/"

    def _cookie(self, value: bytes, *, is_secure: bool) -> bytes:
        """A cookie for our own host, that browsers take over plain HTTP.

        One whose name begins with __Secure- or __Host- keeps Secure: without it no browser would take it at all.
        """
        pair, *attributes = value.split(b";")
        is_secure = is_secure or pair.lstrip(b" \t").lower().startswith(_NEEDS_SECURE)
        kept = [pair]
        for attribute in attributes:
            key, _, what = (part.strip(b" \t") for part in attribute.lower().partition(b"="))
            if key == b"domain" or (key in (b"secure", b"partitioned") and not is_secure):
                continue
            if key == b"samesite" and what == b"none" and not is_secure:
                attribute = b" SameSite=Lax"  # None is for secure ones only
            elif key == b"path" and what not in (b"", b"/"):
                path = attribute.partition(b"=")[2].strip(b" \t")
                attribute = b" Path=" + (self._path(path) or path)
            kept.append(attribute)
        return b";".join(kept)


def own_origin(request: RequestHead, hop: Hop) -> bytes:
    """Our origin as the client sees it."""
    scheme, host = hop.scheme, request.host
    if hop.trusted:
        said = request.noted.get(b"x-forwarded-proto", b"").partition(b",")[0].strip(b" \t").lower()
        scheme = said if said in (b"http", b"https") else scheme
        host = request.noted.get(b"x-forwarded-host", host).partition(b",")[0].strip(b" \t")
    return b"%b://%b" % (scheme, host)
