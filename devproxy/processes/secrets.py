"""Which values are nobody's business, and how they are shown instead. Pure.

A value is judged by its variable's name; a password in a URL, by itself. Rather one too many than one too few.
"""

import re
from typing import Final

MASK: Final = "********"
"""Always as long: how long a password is, is a secret, too."""

_NAME: Final = re.compile(
    r"KEY(?!BOARD|MAP)|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|PRIVATE|AUTH(?!OR(?!I))"
)
_PASSWORD: Final = re.compile(r"(://[^\s/?#:@]*:)(?!\d{1,5}(?:[/?#,\s]|$))\S+@")  # not the port of an e-mail's link
_USER: Final = re.compile(r"(://)[^\s/?#:@]+@")
_PARAMETER: Final = re.compile(r"(?i)\b((?:password|passwd|pwd|secret|token|api_?key)=)[^\s&;]+")


def mask(name: str, value: str) -> str:
    """The value as it may be shown; itself, if there is nothing to hide."""
    if value and _NAME.search(name.upper()):
        return MASK
    shown = _PARAMETER.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1{MASK}@", value))
    if "DSN" in name.upper():  # its user may be a key
        return _USER.sub(rf"\1{MASK}@", shown) if "://" in shown or shown != value else MASK
    return shown
