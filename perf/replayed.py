"""A recording that is answered again: the process that does it, the processes that it answers, and what those took."""

from __future__ import annotations

import json
import ssl
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

# The root certificates of the system in one file.
ROOTS = ssl.get_default_verify_paths().cafile


REPLAY = "guardian-replay"


@dataclass(frozen=True)
class Certificate:
    """Who AWS is here: files for the replay, and one for those who trust it."""

    certificate: Path
    key: Path
    trusted: Path


class Replay:
    """A process that answers one function, each call after so many milliseconds."""

    def __init__(self, recording: Path, binaries: Path, tls: Certificate | None, delay: int = 0) -> None:
        identity = ["--certificate", tls.certificate, "--key", tls.key] if tls else []
        self.process = subprocess.Popen(
            [binaries / REPLAY, recording, f"--delay={delay}", *identity],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        runtime, *services = self._line().split()
        # What was not recorded is answered at the first address, as unknown.
        self.environment = {"AWS_LAMBDA_RUNTIME_API": runtime, "AWS_ENDPOINT_URL": f"http://{runtime}"}
        for service, address in (each.split("=", 1) for each in services):
            self.environment[f"AWS_ENDPOINT_URL_{service.upper()}"] = address
        if ROOTS:
            # The file alone: beside it Debian has a folder of links to what is in it.
            self.environment["SSL_CERT_FILE"] = ROOTS
        if tls:
            self.environment |= {"SSL_CERT_FILE": str(tls.trusted), "AWS_CA_BUNDLE": str(tls.trusted)}

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the replay ended early")
        return line.strip()

    def order(self, events: int) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{events}\n")
        self.process.stdin.flush()

    def log(self) -> list[tuple[int, str]]:
        return [(at, call) for at, call in json.loads(self._line())]

    def end(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


def processor(pid: int) -> float:
    """Milliseconds of processor time of a process so far, of all its threads, to the nanosecond."""
    used = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        # A thread may end while the others are read.
        with suppress(FileNotFoundError, ProcessLookupError):
            used += int((task / "schedstat").read_text().split()[0])
    return used / 1e6


def memory(pid: int) -> int:
    """Kilobytes that a process held at most. What the system tells of a child that ended counts its parent before the start of the program, too."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    # One that ended holds nothing any longer.
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def certificate(folder: Path) -> Certificate:
    """Signed by itself, good for a day and for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stub")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, SHA256())
    )
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    files = Certificate(folder / "certificate.der", folder / "key.der", folder / "trusted.pem")
    files.certificate.write_bytes(made.public_bytes(Encoding.DER))
    files.key.write_bytes(plain)
    # Beside the roots that a function reads in any case.
    files.trusted.write_bytes((Path(ROOTS).read_bytes() if ROOTS else b"") + made.public_bytes(Encoding.PEM))
    return files
