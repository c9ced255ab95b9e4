"""Certificates: one for 127.0.0.1 that nobody has signed, and those of an authority of the test's own."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.services import unavailable


def make_certificate(folder: Path) -> Path | None:
    """Return a file with a key and its certificate, or None when there is no openssl on the PATH."""
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    key, certificate, both = (folder / name for name in ("key.pem", "certificate.pem", "both.pem"))
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command = [openssl, "req", "-x509", *kind, *name, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    both.write_text(key.read_text(encoding="utf-8") + certificate.read_text(encoding="utf-8"), encoding="utf-8")
    return both


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own, and a server's certificate that it has signed."""

    file: Path
    key: Path
    certificate: Path


# openssl ca is the one way to choose the dates of a certificate that all versions have.
_CONFIG = """[ca]
default_ca = tests
[tests]
database = {0}/index.txt
serial = {0}/serial
new_certs_dir = {0}
certificate = {0}/ca.pem
private_key = {0}/ca.key
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


def expired(made: Authority, host: str) -> Authority:
    """Return the authority with a certificate for a host that was valid in 2020."""
    folder = made.file.parent
    (folder / "ca.cnf").write_text(_CONFIG.format(folder), encoding="utf-8")
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01", encoding="utf-8")
    request, certificate = folder / "expired.csr", folder / "expired.pem"
    subject = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1"]
    dates = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]
    signed = ["ca", "-batch", "-notext", "-config", str(folder / "ca.cnf"), *dates, "-in", str(request)]
    for command in (["req", "-new", "-key", str(made.key), *subject, "-out", str(request)], signed):
        options = ["-out", str(certificate)] if command is signed else []
        subprocess.run(["openssl", *command, *options], check=True, capture_output=True)
    return Authority(made.file, made.key, certificate)


def authority(folder: Path, host: str) -> Authority:
    """Make an authority, and a certificate for a host. Skips the test when there is no openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        unavailable("no openssl on the PATH")
    folder.mkdir()
    made = Authority(folder / "ca.pem", folder / "server.key", folder / "server.pem")
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    signer = ["-subj", "/CN=Renderwatch tests", "-keyout", str(folder / "ca.key"), "-out", str(made.file)]
    signed = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1", "-keyout", str(made.key)]
    by = ["-CA", str(made.file), "-CAkey", str(folder / "ca.key"), "-out", str(made.certificate)]
    for options in (signer, [*signed, *by]):
        subprocess.run([openssl, "req", "-x509", *kind, *options], check=True, capture_output=True)
    return made
