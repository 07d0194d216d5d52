"""The user and password without which the supervised servers answer nothing, not even a web page's request.

Prometheus and Alertmanager answer any origin by default, so any page in a browser on this machine could read
figures, raise alerts and silence them. The password is made at the first start and kept in the state folder.
The servers get its bcrypt hash; the service, the servers themselves and people read the password's file.
"""

from __future__ import annotations

import json
import os
import secrets
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from stretto.errors import ServiceError

USER = "stretto"

PASSWORD_FILE = "password"  # noqa: S105  # a file's name, not the password
WEB_FILE = "web.yml"
CLIENT_FILE = "http.yml"

LEAST_LENGTH = 16
"""Characters of the shortest password that is accepted."""

LONGEST_LENGTH = 72
"""Bytes that bcrypt hashes; it would ignore the rest."""

BCRYPT_ROUNDS = 5
"""Low, because the password is random: nobody can guess it, and the servers check it at each request."""


@dataclass(frozen=True, slots=True)
class ServerCredentials:
    """The user and password of the supervised servers, and the folder of their files."""

    folder: Path
    password: str
    user: str = USER

    @property
    def password_file(self) -> Path:
        """The file with the password alone."""
        return self.folder / PASSWORD_FILE

    @property
    def web_file(self) -> Path:
        """The file with the password's hash, which the servers read (``--web.config.file``)."""
        return self.folder / WEB_FILE

    @property
    def client_file(self) -> Path:
        """The file for ``amtool`` and ``promtool`` (``--http.config.file``)."""
        return self.folder / CLIENT_FILE

    @property
    def authorization(self) -> str:
        """The value of the header that a request must show."""
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()


def ensure_credentials(folder: Path) -> ServerCredentials:
    """Return the credentials in a folder; make password, hash and client file if they are missing.

    Raises ServiceError if the password in the file cannot be used.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    credentials = read_credentials(folder)
    if credentials is None:
        credentials = ServerCredentials(folder, secrets.token_hex(32))
        write_private(credentials.password_file, credentials.password)
    problem = find_password_problem(credentials.password)
    if problem:
        raise ServiceError(
            "the password of the servers cannot be used",
            where=str(credentials.password_file),
            cause=problem,
            hint="remove the file: the next start makes a new password",
        )
    if not _has_hash(credentials.web_file, credentials.password):
        write_private(credentials.web_file, make_web_configuration(credentials.password))
    write_private(credentials.client_file, make_client_configuration(credentials.password_file))
    return credentials


def read_credentials(folder: Path) -> ServerCredentials | None:
    """Return the credentials in a folder, or None if the servers were never started there."""
    try:
        password = (folder / PASSWORD_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(
            "the password of the servers cannot be read", where=str(folder / PASSWORD_FILE), cause=str(error)
        ) from error
    return ServerCredentials(folder, password) if password else None


def find_password_problem(password: str) -> str | None:
    """Return why a password cannot protect the servers; None if it can."""
    if len(password) < LEAST_LENGTH:
        return f"it has fewer than {LEAST_LENGTH} characters"
    if len(password.encode()) > LONGEST_LENGTH:
        return f"it has more than {LONGEST_LENGTH} bytes"
    return None


def make_web_configuration(password: str) -> str:
    """Return the servers' web configuration, with the password as a bcrypt hash."""
    import bcrypt  # noqa: PLC0415  # a compiled module, only needed where servers are started

    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
    return f"basic_auth_users:\n  {USER}: {hashed}\n"


def make_client_configuration(password_file: Path) -> str:
    """Return the HTTP client configuration of ``amtool`` and ``promtool``."""
    # A JSON text is a YAML text too, so any path can be written.
    return f"basic_auth:\n  username: {USER}\n  password_file: {json.dumps(str(password_file))}\n"


def write_private(path: Path, text: str) -> None:
    """Write a file in one step that only its owner can read."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def _has_hash(path: Path, password: str) -> bool:
    import bcrypt  # noqa: PLC0415  # see make_web_configuration

    try:
        hashed = path.read_text(encoding="utf-8").strip().rpartition(" ")[2]
        return bcrypt.checkpw(password.encode(), hashed.encode())
    except (OSError, ValueError):
        return False
