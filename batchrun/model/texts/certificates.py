"""Why a certificate is not trusted, by OpenSSL's code, and what to do about it.

Belongs here: the cures, whoever connects. Does not: which errors are of certificates (``service.classify``,
``notify.webhook``).
"""

from __future__ import annotations

from typing import Final

#: Codes of certificates that are not valid yet, or no longer.
_OUT_OF_DATE: Final = frozenset({9, 10})
#: Those of another host's or address's certificate.
_OF_ANOTHER: Final = frozenset({62, 64})
#: Those of what RFC 5280 wants of a certificate, and Python only from 3.13 on, where it is left to choose.
_STRICT: Final = range(80, 94)


def cure_of_distrust(code: int, *, called: str, variable: str) -> str:
    """Return what to do where OpenSSL's verification ended with *code*.

    Args:
        code: Its number, ``X509_V_ERR_*``.
        called: What the user has given as the address.
        variable: The environment variable that names further certificates to trust.
    """
    if code in _OUT_OF_DATE:
        return "see whether this machine's clock is right; if it is, the certificate must be renewed"
    if code in _OF_ANOTHER:
        return (
            f"give the {called} by a name that the certificate is for; where it is one of AWS's own, "
            "something in your network answers in its place"
        )
    if code in _STRICT:
        return (
            "Python accepts such certificates up to 3.12 only: whoever runs the host, or a proxy of your "
            "network that shows its own, must make it, or what it is signed by, anew"
        )
    return (
        f"where a proxy of your network shows its own, name a file of what that is signed by with {variable}"
    )
