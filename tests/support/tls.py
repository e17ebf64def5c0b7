"""Certificates for tests, made by the `openssl` command: an authority, and servers with and without its word."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = "subjectAltName=DNS:localhost,DNS:staging.example.test,IP:127.0.0.1"


@dataclass(frozen=True)
class Certificates:
    """The files of one folder: NAME.pem and NAME.key of each."""

    folder: Path

    def file(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")

    def server(self, name: str) -> ssl.SSLContext:
        """What a server with this certificate listens by. Who comes without SNI is let in, too."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file(name), str(self.folder / f"{name}.key"))
        return context


def make_certificates(folder: Path) -> Certificates:
    """authority; signed by it: `signed`, and `other` for another name; `own`: signed by itself."""
    made = Certificates(folder)
    make(folder, "authority", "-x509", "-subj", "/CN=Test authority")
    make(folder, "own", "-x509", "-subj", "/CN=localhost", "-addext", NAMES)
    sign(folder, "signed", NAMES)
    sign(folder, "other", "subjectAltName=DNS:other.example.test")
    return made


def make(folder: Path, name: str, *arguments: str) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
    openssl(folder, "req", *key, "-days", "2", "-out", f"{name}.pem", *arguments)


def sign(folder: Path, name: str, names: str) -> None:
    make(folder, name, "-subj", f"/CN={name}")
    (folder / f"{name}.ext").write_text(names)
    files = ("-in", f"{name}.pem", "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    authority = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial")
    openssl(folder, "x509", "-req", "-days", "2", *files, *authority)


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)
