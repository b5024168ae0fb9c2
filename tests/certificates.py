"""A certificate authority of the tests' own, by openssl."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

_CONFIG = """
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = {name}
[extensions]
basicConstraints = critical, CA:{is_authority}
keyUsage = critical, digitalSignature{signs}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {host}
"""
_SIGNS = ", keyCertSign"


class Authority:
    """Signs certificates, and is none that systems know.

    Args:
        folder: takes the files.

    Attributes:
        certificate: its own.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self.certificate, self._key = self._make("authority", "DNS:authority.example", ())

    def issue(self, name: str, host: str = "IP:127.0.0.1") -> tuple[Path, Path]:
        """The files of a certificate and its key, for a host as OpenSSL names it."""
        return self._make(name, host, ("-CA", str(self.certificate), "-CAkey", str(self._key)))

    def _make(self, name: str, host: str, signer: Sequence[str]) -> tuple[Path, Path]:
        certificate, key, config = (self._folder / f"{name}.{suffix}" for suffix in ("pem", "key", "cnf"))
        rights = (
            {"is_authority": "FALSE", "signs": ""} if signer else {"is_authority": "TRUE", "signs": _SIGNS}
        )
        config.write_text(_CONFIG.format(name=name, host=host, **rights))
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        files = ["-config", str(config), "-keyout", str(key), "-out", str(certificate)]
        subprocess.run([*command, "-nodes", "-days", "2", *files, *signer], check=True, capture_output=True)
        return certificate, key
