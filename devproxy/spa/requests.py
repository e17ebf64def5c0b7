"""What a request's fields ask of a static file. Pure: field values in, answers out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

# Navigations of Fetch §2.2.5 that show an HTML page. `object` and `embed` usually show something else.
DOCUMENT_DESTINATIONS = frozenset({"document", "iframe", "frame"})

# In the order we prefer them when the client does not mind: the smallest first.
SIBLINGS: Mapping[str, str] = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}


class Fields:
    """A request's fields, as ASGI gives them; several lines of one name are joined (RFC 9110 §5.3)."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, str] = {}
        for raw_name, raw_value in pairs:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            self._values[name] = f"{self._values[name]}, {value}" if name in self._values else value

    def get(self, name: str) -> str | None:
        """The value of a field (name in lower case), None if the request has none."""
        return self._values.get(name)


def is_document(fields: Fields) -> bool:
    """Whether the request is a navigation: only then may it be answered with index.html.

    The extension of the path plays no part: /users/jane.doe is a route like any other.
    """
    destination = fields.get("sec-fetch-dest")
    if destination is not None:
        return destination in DOCUMENT_DESTINATIONS
    return weights(fields.get("accept") or "").get("text/html", 0.0) > 0


def takes_script(fields: Fields) -> bool:
    """Whether an HTML file is wanted as a page of its own, and not as data, in a frame, or in pieces."""
    return fields.get("sec-fetch-dest") in (None, "document") and fields.get("range") is None


def weights(value: str) -> dict[str, float]:
    """Read a list with weights (`gzip;q=0.5, br`): name in lower case -> weight (RFC 9110 §12.4.2)."""
    found: dict[str, float] = {}
    for item in value.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        if name:
            found[name] = _weight(parameters)
    return found


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:  # an unreadable weight: rather not
                return 0.0
    return 1.0


def encodings(fields: Fields) -> list[str]:
    """The content codings of `SIBLINGS` that the client likes at least as much as none, best first."""
    accepted = weights(fields.get("accept-encoding") or "")
    if "x-gzip" in accepted:  # RFC 9110 §8.4.1.3
        accepted.setdefault("gzip", accepted["x-gzip"])
    anything = accepted.get("*", 0.0)
    # Without a weight of its own, identity is what is taken when nothing else fits (§12.5.3).
    least = accepted.get("identity", 0.0)
    wanted = {coding: accepted.get(coding, anything) for coding in SIBLINGS}
    usable = [coding for coding in SIBLINGS if wanted[coding] > 0 and wanted[coding] >= least]
    return sorted(usable, key=lambda coding: -wanted[coding])


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one version of a file from another. modified: seconds since the epoch, whole."""

    etag: str
    modified: int

    @property
    def last_modified(self) -> str:
        return format_datetime(datetime.fromtimestamp(self.modified, UTC), usegmt=True)


def is_unchanged(fields: Fields, validators: Validators) -> bool:
    """Whether the client's copy is still good: 304 (RFC 9110 §13.2.2; If-None-Match goes first)."""
    if (tags := fields.get("if-none-match")) is not None:
        return tags.strip() == "*" or _bare(validators.etag) in (_bare(tag) for tag in tags.split(","))
    since = read_date(fields.get("if-modified-since"))
    return since is not None and validators.modified <= since


def _bare(tag: str) -> str:
    return tag.strip().removeprefix("W/")


def read_date(value: str | None) -> int | None:
    """An HTTP date as whole seconds since the epoch, None if it is none."""
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
