"""Ports for servers that have to be told theirs before they listen."""

from __future__ import annotations

import itertools
import os
import socket

#: How many each process has to itself, below those that systems hand out unasked (from 32768 on, or above).
_EACH = 16
_FIRST, _PLACES = 12_000, 1_250
_numbers = itertools.count()


def free_port() -> int:
    """
    Return one that nobody listens at.

    One that the system chose may be chosen for another test before it is listened at.
    """
    for number in itertools.islice(_numbers, _EACH):
        port = _FIRST + _EACH * (os.getpid() % _PLACES) + number % _EACH
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("all ports are taken")
