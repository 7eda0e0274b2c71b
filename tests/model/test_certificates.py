"""What to do about a certificate that is not trusted."""

from __future__ import annotations

import pytest

from batchrun.model.texts.certificates import cure_of_distrust


@pytest.mark.parametrize(
    ("codes", "cure"),
    [
        ((9, 10), "see whether this machine's clock is right"),
        ((62, 64), "give the address by a name that the certificate is for"),
        ((80, 85, 89, 92, 93), "Python accepts such certificates up to 3.12 only"),
        ((18, 19, 20, 94, 0), "name a file of what that is signed by with SSL_CERT_FILE"),
    ],
)
def test_each_reason_has_its_cure(codes, cure):
    for code in codes:
        assert cure in cure_of_distrust(code, called="address", variable="SSL_CERT_FILE")
