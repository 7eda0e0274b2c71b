"""A way to a server that can be cut, or can fall silent, as networks do."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """Listens on loopback and passes everything on to a server's socket, unless it is told otherwise."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.is_silent = False  #: whatever is connected now stays so, and nothing passes
        self.cut_after: bytes | None = (
            None  #: once this was passed on to the server no answer comes, but an end
        )
        self.was_cut = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def close(self) -> None:
        self._listener.close()
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._open += [client, server]
                silent = threading.Event()
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(*pair, client, silent), daemon=True).start()

    def _pass(self, source, target, client, silent) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.is_silent:
                    silent.set()
                if silent.is_set():  # for good: new connections are as good as ever
                    self.is_silent = False
                    continue
                is_last = source is client and self.cut_after is not None and self.cut_after in data
                if is_last:
                    self.cut_after = None
                    client.shutdown(socket.SHUT_RDWR)
                target.sendall(data)
                if is_last:
                    self.was_cut.set()
            target.shutdown(socket.SHUT_WR)
