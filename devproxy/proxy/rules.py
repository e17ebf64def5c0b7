"""What a route changes of its requests and of their answers. Pure.

Worked out when the config is read. Most routes change nothing: they have no rules, and cost nothing.
"""

from dataclasses import dataclass, replace
from urllib.parse import quote, unquote_to_bytes, urlencode

from devproxy.config.model import FieldEdits, Route
from devproxy.proxy.head import RequestHead, ResponseHead
from devproxy.proxy.headers import Hop, edited, lines_of, request_bytes
from devproxy.proxy.origin import HIDDEN, OriginRewrite
from devproxy.proxy.url import UpstreamUrl

_WANT_LENGTH = (b"POST", b"PUT", b"PATCH")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one route.

    method, body: sent in place of the request's own, if there is one; query: parameters and the query string that
    sets them; request, response: edits of the fields; origin: see there; timeout_seconds: without a byte of an
    answer, 0 for ever.
    """

    method: bytes = b""
    query: tuple[frozenset[bytes], bytes] | None = None
    body: bytes | None = None
    request: FieldEdits | None = None
    response: FieldEdits | None = None
    origin: OriginRewrite | None = None
    timeout_seconds: float = 0.0

    def request_head(self, request: RequestHead) -> RequestHead:
        """The request as it goes upstream, but for what every request gets (`request_bytes`).

        HEAD stays HEAD and an upgrade an upgrade, with the body they have: both decide what an answer looks like.
        """
        changed = replace(request)
        if self.origin is not None:
            changed.lines = lines_of(self.origin.request_fields(request.fields, request.host))
        if request.method == b"HEAD" or request.upgrade:
            return changed
        if self.method:
            changed.method = self.method
            if self.method in _WANT_LENGTH and not request.chunked:
                changed.length = request.length or 0  # RFC 9110 §8.6
        if self.body is not None:
            changed.length, changed.chunked = len(self.body), False
            changed.lines = lines_of([field for field in changed.fields if field[0].lower() != b"content-encoding"])
        return changed

    def request_bytes(self, request: RequestHead, hop: Hop, target: bytes) -> bytes:
        """The bytes of a changed request, its body included if that is ours."""
        if self.query is not None:
            target = with_query(target, *self.query)
        head = request_bytes(request, hop, target=target, edits=self.request)
        return head + self.body if self.replaces_body(request) and self.body else head

    def replaces_body(self, request: RequestHead) -> bool:
        return self.body is not None and request.method != b"HEAD" and not request.upgrade

    def change_response(self, response: ResponseHead, own: bytes) -> None:
        """Make of an answer's head what the client gets. Args: own: our origin as the client sees it."""
        fields = response.fields
        if self.origin is not None:
            fields = self.origin.response_fields(fields, own)
        if self.response is not None:
            fields = edited(fields, self.response)
        response.lines = lines_of(fields)


def rules_of(route: Route, url: UpstreamUrl | None) -> Rules | None:
    """The rules of a route, None if it changes nothing.

    Args: url: where it leads, if that is known before it runs; `rewrite_origin` needs it.
    """
    origin = None
    request = route.request_headers
    if route.rewrite_origin and url is not None:
        prefix = (route.prefix or "").rstrip("/") if route.strip_prefix else ""
        origin = OriginRewrite(url, prefix.encode())
        own = {} if any(name.lower() == "host" for name in request.set) else {"Host": url.authority}
        request = FieldEdits(set={**own, **request.set}, remove=(*HIDDEN, *request.remove))
    rules = Rules(
        method=(route.set_method or "").encode(),
        query=_query(route) if route.set_query else None,
        body=route.set_body.encode() if route.set_body is not None else None,
        request=request if request != FieldEdits() else None,
        response=route.response_headers if route.response_headers != FieldEdits() else None,
        origin=origin,
        timeout_seconds=route.timeout_seconds,
    )
    return rules if rules != Rules() else None


def _query(route: Route) -> tuple[frozenset[bytes], bytes]:
    return frozenset(name.encode() for name in route.set_query), urlencode(route.set_query, quote_via=quote).encode()


def with_query(target: bytes, names: frozenset[bytes], values: bytes) -> bytes:
    """A target with these parameters set by `values`; the bytes of all others stay as they are."""
    path, _, query = target.partition(b"?")
    kept = [pair for pair in query.split(b"&") if _name(pair) not in names] if query else []
    return path + b"?" + b"&".join([*kept, values])


def _name(pair: bytes) -> bytes:
    return unquote_to_bytes(pair.partition(b"=")[0].replace(b"+", b" "))
