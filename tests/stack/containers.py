"""Podman with storage of its own, and a base image for machines that cannot pull one.

The base is this machine's own Python with the libraries it is linked with, a shell and nothing else, at the
paths they have here. It takes the place of the image that deploy/Dockerfile names; everything after its FROM
lines is what ships.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TOOLS = ("sh", "mkdir", "chmod")
"""What the Dockerfile's RUN lines call, beside Python."""
UNUSED = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "__pycache__", "site-packages", "dist-packages"}
)
WHEELS_NEED = (
    "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libgcc_s.so.1", "libstdc++.so.6",
)  # fmt: skip
"""What packages built for older systems are linked with, as PEP 600 allows them to be."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP = Path("/opt/pip")


@dataclass(frozen=True)
class Podman:
    """Podman on a folder of its own: it sees no images and containers of the person who runs the tests."""

    folder: Path

    def __call__(self, *arguments: str, check: bool = True, seconds: float = 300) -> str:
        """Run a command and return what it says; fail with its complaint, unless ``check`` is off."""
        return self._run(*arguments, check=check, seconds=seconds).stdout.strip()

    def logs(self, name: str) -> str:
        """Return all that a container has said."""
        ended = self._run("logs", name, check=False, seconds=30)
        return ended.stdout + ended.stderr

    def _run(self, *arguments: str, check: bool, seconds: float) -> subprocess.CompletedProcess[str]:
        storage = (
            "--root", str(self.folder / "root"), "--runroot", str(self.folder / "run"),
            "--storage-driver", "vfs",
        )  # fmt: skip
        ended = subprocess.run(
            ["podman", *storage, *arguments],
            env={**os.environ, "CONTAINERS_CONF": str(self._configuration())},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        if check:
            assert ended.returncode == 0, f"podman {' '.join(arguments)}\n{ended.stdout}{ended.stderr}"
        return ended

    def inspect(self, what: str, name: str) -> dict[str, Any]:
        """Return all that podman knows of an image or a container."""
        found: dict[str, Any] = json.loads(self(what, "inspect", name))[0]
        return found

    def why_not(self, image: str) -> str:
        """Return why no container of an image can be run here, or an empty text where one can."""
        ended = self._run("run", "--rm", image, "sh", "-c", ":", check=False, seconds=120)
        return ended.stderr.strip() or "no reason given" if ended.returncode else ""

    def _configuration(self) -> Path:
        path = self.folder / "containers.conf"
        if not path.exists():
            # Podman asks for more open files and processes than a confined session may give.
            limits = ", ".join(
                f'"{name}={soft}:{hard}"'
                for name, number in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
                for soft, hard in [tuple(min(4096, n) for n in resource.getrlimit(number))]
            )
            text = f"[containers]\ndefault_ulimits = [{limits}]\n"
            if shutil.which("netavark", path="/usr/lib/podman:/usr/libexec/podman"):
                networks = self.folder / "networks"
                networks.mkdir()
                text += f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{networks}"\n'
            if shutil.which("runc"):
                text += '[engine]\nruntime = "runc"\n'
            path.write_text(text)
        return path


def require_podman() -> None:
    """Skip where podman cannot be had, unless the run may not skip."""
    missing = [name for name in ("podman", "ldd") if shutil.which(name) is None]
    if missing and os.environ.get("STRETTO_REQUIRE_PODMAN") == "1":
        pytest.fail(f"{' and '.join(missing)} must be installed in this run")
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed: see CONTRIBUTING.md")


def build_base(podman: Podman, tag: str) -> None:
    """Import the base image from the files of this machine."""
    binary = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    library = Path(sysconfig.get_path("stdlib"))
    programs = [binary, *(Path(os.path.realpath(found)) for name in TOOLS if (found := shutil.which(name)))]
    archive = podman.folder / "base.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(library, filter=_used)
        for path in {*programs, *_libraries([*programs, *(library / "lib-dynload").glob("*.so")])}:
            tar.add(os.path.realpath(path), arcname=str(path))
        for name, program in (("python3", binary), *zip(TOOLS, programs[1:], strict=True)):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, str(program)
            tar.addfile(link)
        pip = importlib.util.find_spec("pip")
        assert pip is not None
        assert pip.origin is not None
        tar.add(Path(pip.origin).parent, arcname=str(PIP / "pip"), filter=_used)
        if CERTIFICATES.exists():
            tar.add(os.path.realpath(CERTIFICATES), arcname=str(CERTIFICATES))
        tmp = tarfile.TarInfo("tmp")
        tmp.type, tmp.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(tmp)
    podman("import", "--change", "ENV PATH=/usr/bin:/bin", "--change", f"ENV PYTHONPATH={PIP}",
           "--change", f"ENV PIP_CERT={CERTIFICATES}", str(archive), tag)  # fmt: skip
    archive.unlink()


def _used(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(entry.name).parts
    return None if UNUSED & set(parts) or parts[-1].startswith("config-") else entry


def _libraries(files: Iterable[Path]) -> set[Path]:
    """Return the shared libraries that programs and modules are linked with, the loader included."""
    listed = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False).stdout
    found = {Path(word) for word in listed.split() if word.startswith("/") and not word.endswith(":")}
    folder = next(path.parent for path in found if path.name.startswith("libc.so"))
    return found | {path for name in WHEELS_NEED if (path := folder / name).exists()}


def flags(service: Mapping[str, Any]) -> list[str]:
    """Return the flags by which podman runs a container as a service of the compose file says.

    What is mounted, published and called is the caller's; a key that is not known here is an error, so that
    none is quietly left untested.
    """
    rest = dict(service)
    callers = (
        "container_name",
        "image",
        "build",
        "command",
        "healthcheck",
        "depends_on",
        "restart",
        "volumes",
        "secrets",
        "ports",
    )
    for other in callers:
        rest.pop(other, None)
    found = ["--read-only"] if rest.pop("read_only") else []
    found += ["--user", rest.pop("user")]
    for key, flag in (("cap_drop", "--cap-drop"), ("security_opt", "--security-opt"), ("tmpfs", "--tmpfs")):
        found += [word for value in rest.pop(key, []) for word in (flag, value)]
    found += [
        word for name, value in rest.pop("environment", {}).items() for word in ("--env", f"{name}={value}")
    ]
    assert not rest, f"not translated: {sorted(rest)}"
    return found
