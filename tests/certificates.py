"""An authority of our own, and certificates of it, made by openssl."""

import ssl
import subprocess
from pathlib import Path
from typing import Final

AUTHORITY: Final = "ca.pem"
_NEW: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_certificates(folder: Path, *hosts: str) -> None:
    """`ca.pem`, and for each host HOST.pem with HOST.key."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    # Without these extensions Python 3.13, which checks strictly, takes neither (RFC 5280).
    signs = ("-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-x509", *_NEW, "-keyout", "ca.key", "-out", AUTHORITY, "-subj", "/CN=ca", "-days", "9", *signs)
    for host in hosts:
        openssl("req", *_NEW, "-keyout", f"{host}.key", "-out", f"{host}.csr", "-subj", f"/CN={host}")
        extensions = f"subjectAltName=DNS:{host}\nbasicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n"
        (folder / "ext").write_text(extensions)
        signed = ("-CA", AUTHORITY, "-CAkey", "ca.key", "-CAcreateserial", "-days", "9", "-extfile", "ext")
        openssl("x509", "-req", "-in", f"{host}.csr", "-out", f"{host}.pem", *signed)


def serving(folder: Path, host: str) -> ssl.SSLContext:
    """For a server that shows the certificate of this host."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / f"{host}.pem", folder / f"{host}.key")
    return context
