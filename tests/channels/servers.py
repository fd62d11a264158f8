"""A real mail server on loopback, which can be told to fail in every way that mail servers do."""

# ruff: noqa: ARG002, N802  (names and arguments are the library's)
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

USER, SECRET = "gongzhi@example.org", "p@ss:word/?%"


@dataclass
class Mailbox:
    """What arrived, as (recipient, mail, the very bytes); ``refuse`` maps a recipient, "DATA" or "MAIL" to an answer."""

    arrived: list[tuple[str, EmailMessage, bytes]] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    connections: int = 0
    secured: list[bool] = field(default_factory=list)
    hang_up_after_data: bool = False

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if "MAIL" in self.refuse:
            return self.refuse["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if "DATA" in self.refuse:
            return self.refuse["DATA"]
        self.secured.append(server.transport.get_extra_info("ssl_object") is not None)
        made: Any = message_from_bytes(envelope.original_content, policy=policy.default)
        self.arrived += [(to, made, envelope.original_content) for to in envelope.rcpt_tos]
        if self.hang_up_after_data:
            server.transport.abort()
        return "250 kept"


@contextmanager
def smtp_server(
    box: Mailbox, *, certificate: tuple[Path, Path] | None = None, starttls: bool = False, port: int = 0
) -> Iterator[int]:
    """Serve until the block ends; gives the port. With a certificate: TLS, sign-in demanded."""
    options: dict[str, Any] = {"hostname": "127.0.0.1", "port": port}
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*map(str, certificate))
        options |= {"authenticator": _knows, "auth_required": True, "auth_require_tls": starttls}
        options |= {"tls_context": context, "require_starttls": True} if starttls else {"ssl_context": context}
    server = _Controller(box, **options)
    warnings.filterwarnings("ignore", "Requiring AUTH", UserWarning)  # it does not see that the whole line is encrypted
    server.start()
    try:
        yield server.server.sockets[0].getsockname()[1]
    finally:
        server.stop()


class _Controller(Controller):
    def _trigger_server(self) -> None:
        """The base class connects to port 0; the real one is known by now."""
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def _knows(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and data.login.decode() == USER and data.password.decode() == SECRET
    return AuthResult(success=right, handled=False)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that signs itself; return its file and the key's."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "server.pem", folder / "server.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
