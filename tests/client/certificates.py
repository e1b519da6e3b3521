"""Certificates good and bad, by the ``openssl`` program."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


class Authority:
    """Signs certificates; *bundle* is what its friends trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bundle = folder / "authority.pem"
        use = ["-addext", "keyUsage=critical,keyCertSign"]
        self._run("req", "-x509", "-subj", "/CN=Authority", *use, *self._new_key("authority"))

    def context(
        self, *, name: str = "localhost", days: int = 2, is_self_signed: bool = False
    ) -> ssl.SSLContext:
        """Return the context of a server that has a certificate for *name*."""
        extension = f"subjectAltName=DNS:{name}"
        if is_self_signed:
            command = ["req", "-x509", "-subj", f"/CN={name}", "-addext", extension]
            self._run(*command, *self._new_key("server"))
        else:
            self._run("req", "-subj", f"/CN={name}", *self._new_key("server"))
            (self._folder / "extensions").write_text(
                f"{extension}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
            )
            self._run(
                *("x509", "-req", "-in", "server.pem", "-out", "server.pem", "-days", str(days)),
                *("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"),
                *("-extfile", "extensions"),
            )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "server.pem", self._folder / "server.key")
        return context

    def _new_key(self, name: str) -> list[str]:
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        return [*kind, "-keyout", f"{name}.key", "-out", f"{name}.pem"]

    def _run(self, *command: str) -> None:
        program = ["openssl", *command]
        subprocess.run(program, cwd=self._folder, check=True, capture_output=True, timeout=30)
