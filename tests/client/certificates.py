"""Certificates good and bad."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Signs certificates; *bundle* is what its friends trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("Authority")
        own = _new(self._name, self._name, self._key.public_key(), days=2)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        own = own.add_extension(_SIGNS, critical=True)
        own = own.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
        )
        self.bundle = folder / "authority.pem"
        self.bundle.write_bytes(_pem(own.sign(self._key, hashes.SHA256())))

    def context(
        self, *, name: str = "localhost", days: int = 2, is_self_signed: bool = False
    ) -> ssl.SSLContext:
        """Return the context of a server that has a certificate for *name*."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, signer = (_named(name), key) if is_self_signed else (self._name, self._key)
        certificate = _new(_named(name), issuer, key.public_key(), days=days).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        certificate = certificate.add_extension(identifier, critical=False)
        (self._folder / "server.pem").write_bytes(_pem(certificate.sign(signer, hashes.SHA256())))
        (self._folder / "server.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "server.pem", self._folder / "server.key")
        return context


_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _new(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int
) -> x509.CertificateBuilder:
    """Return a certificate that ends in *days*; one of the past began a day before its end."""
    end = datetime.now(UTC) + timedelta(days=days)
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=min(end, datetime.now(UTC)) - timedelta(days=1),
        not_valid_after=end,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
