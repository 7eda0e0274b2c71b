"""What is an address, and which lead to this machine."""

from __future__ import annotations

import pytest

from batchrun.model.texts.foreign import is_loopback, web_address


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8765",
        "http://localhost",
        "http://omics.localhost:1/x",
        "http://[::1]:9",
        "http://127.9.9.9",
    ],
)
def test_these_do(url):
    assert is_loopback(url)


@pytest.mark.parametrize(
    "text", ["", "h:80/x", "ftp://h/x", "https:///x", "http://h:0", "http://h:99999", "http://[::1"]
)
def test_an_address_has_a_scheme_of_the_web_a_host_and_a_possible_port(text):
    assert web_address("https://h:80/x") is not None
    assert web_address(text) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://omics.us-east-1.amazonaws.com",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "http://127.0.0.1@example.org",
        "http://[::1",
        "127.0.0.1",
        "",
    ],
)
def test_these_do_not(url):
    assert not is_loopback(url)
