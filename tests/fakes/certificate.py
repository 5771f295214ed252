"""A certificate for the loopback servers, which the programs of a run of tests trust."""

from __future__ import annotations

import atexit
import datetime
import ipaddress
import os
import shutil
import ssl
import tempfile
from functools import cache
from pathlib import Path

_PLACE = "CXR_TESTS_CERTIFICATE"
"""Tells the processes of this run where the certificate is."""

_NAMES = ("localhost", "physionet.org", "films.example.net")
_NUMBERS = ("127.0.0.1", "::1")


def trust() -> None:
    """Let this process and those it starts trust the certificate, and no other.

    Call it before aiohttp is imported, which reads once whom to trust. To read the 150 that a
    system trusts takes 30 ms for each process, client and session, and the tests ask nobody else.
    """
    if _PLACE in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="cxr-tests-"))
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
    certificate, key = make_certificate()
    (folder / "server.pem").write_bytes(certificate + key)
    (folder / "trusted.pem").write_bytes(certificate)
    os.environ["SSL_CERT_FILE"] = os.environ["AWS_CA_BUNDLE"] = str(folder / "trusted.pem")
    os.environ[_PLACE] = str(folder / "server.pem")


@cache
def server_context() -> ssl.SSLContext:
    """What a server with the certificate needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ[_PLACE])
    return context


def make_certificate() -> tuple[bytes, bytes]:
    """Make a certificate of this machine that signs itself, and its key, both as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "invented servers of a test")])
    names: list[x509.GeneralName] = [x509.DNSName(known) for known in _NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(number)) for number in _NUMBERS]
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    return certificate.public_bytes(encoding), key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
