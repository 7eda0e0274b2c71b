"""Text of others: what is kept of it, and what of an address is told."""

from __future__ import annotations

import pytest

from batchrun.model.texts.foreign import KEPT, TOLD, masked, shortened, storable, unsigned


def test_a_text_is_kept_as_it_is_unless_no_store_takes_it():
    assert storable("Grüße\n\U0001f600\x1b[31m") == "Grüße\n\U0001f600\x1b[31m"
    assert storable("half \ud83d of a pair\x00") == "half \ufffd of a pair\ufffd"


def test_a_text_is_kept_and_told_up_to_a_length():
    assert shortened("x" * TOLD) == "x" * TOLD
    assert shortened("x" * (TOLD + 1)) == "x" * (TOLD - 3) + "..."
    assert len(storable("x" * 10**6)) == KEPT


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("http://h:80/x", "http://h:80/x"),
        ("https://user:word@h:80/x", "https://***@h:80/x"),
        ("https://user@name:word@h", "https://***@h"),
        ("http://h/?token=word", "http://h/?***"),
        ("http://h#word", "http://h#***"),
        ("http://[::1]:8765/run?word", "http://[::1]:8765/run?***"),
        ("http://h/key@x", "http://h/key@x"),
        ("http://h?name=a@b", "http://h?***"),
        # Not as an address has to be, and a secret all the same.
        ("//user:wo/rd@h/x?word", "//***@h/x?***"),
        ("//user:wo?rd@h", "//***@h"),
        ("//user:wo/r@d@h", "//***@h"),
        ("'user:wo/rd@h:80' is none", "'***@h:80' is none"),
        ("me@example.org", "me@example.org"),
        ("arn:aws:sns:us-east-1:1:x", "arn:aws:sns:us-east-1:1:x"),
        ("http://not-a-host:x/y", "http://not-a-host:x/y"),
        (
            'cannot reach "https://u:word@h/run?startingToken=word", nor http://h/?word.',
            'cannot reach "https://***@h/run?***", nor http://h/?***',
        ),
        ("s3://lab/data?versionId=7", "s3://lab/data?***"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_an_address_is_told_without_its_secrets(said, told):
    assert masked(said) == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "see https://b.s3.x/k?X-Amz-Algorithm=A&X-Amz-Signature=word, soon",
            "see https://b.s3.x/k?*** soon",
        ),
        ("https://b.s3.x/k?AWSAccessKeyId=A&Signature=word", "https://b.s3.x/k?***"),
        ('{"uri":"https://b/k?X-Amz-Security-Token=word"}', '{"uri":"https://b/k?***"}'),
        ("https://h/x?page=2 and X-Amz-Date", "https://h/x?page=2 and X-Amz-Date"),
        ("image 1.dkr.ecr/x:tag@sha256:ab?", "image 1.dkr.ecr/x:tag@sha256:ab?"),
    ],
)
def test_of_a_signed_address_the_place_is_told(said, told):
    assert unsigned(said) == told
