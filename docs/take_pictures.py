"""Take the pictures of the docs from a real service showing its recording, with a headless Chromium."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PICTURES = Path(__file__).parent / "pictures"
ADDRESS = "127.0.0.1:9474"
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
"""What keeps a browser that only draws from asking the network anything."""


def main() -> int:
    """Write docs/pictures/*.png; 3 where there is no Chromium."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("there is no Chromium here: apt-get install chromium", file=sys.stderr)
        return 3
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        service = subprocess.Popen(  # our own program, from this interpreter
            [
                sys.executable,
                "-m",
                "stretto",
                "--state",
                f"{folder}/state",
                "up",
                "--listen",
                ADDRESS,
                "--no-servers",
            ],
            env={**os.environ, "HOME": folder},
            stderr=subprocess.DEVNULL,
        )
        try:
            _await_ready()
            _shoot(browser, folder, "/?refresh=off", "overview", "1200,1180")
            session = _first_session()
            _shoot(browser, folder, f"/sessions/{session}?refresh=off", "session", "1200,1250")
        finally:
            service.terminate()
            service.wait(timeout=30)
    return 0


def _await_ready() -> None:
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"http://{ADDRESS}/readyz"):  # our own address
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise TimeoutError("the service did not get ready")


def _first_session() -> str:
    with urllib.request.urlopen(f"http://{ADDRESS}/api/sessions?limit=1") as answer:
        return str(json.load(answer)["sessions"][0]["id"])


def _shoot(browser: str, folder: str, path: str, name: str, size: str) -> None:
    subprocess.run(
        [
            browser,
            *QUIET,
            f"--user-data-dir={folder}/browser",
            f"--window-size={size}",
            f"--screenshot={PICTURES / name}.png",
            f"http://{ADDRESS}{path}",
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    print(f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
