"""Read the version and the optional packages of the installed package."""

from __future__ import annotations


def read_version() -> str:
    """Return the installed version, or ``0+source`` in a source tree that was never installed."""
    # Loading importlib.metadata takes milliseconds, so it is loaded only when the version is read.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("stretto")
    except PackageNotFoundError:
        return "0+source"


def describe_extra_install(extra: str) -> str:
    """Return the command that installs the packages of an extra beside this installation.

    It names those packages and not our own, so that it is the same for a wheel, a folder and an index.
    Without metadata it is a sentence that names the extra.
    """
    import sys  # noqa: PLC0415  # as above
    from importlib.metadata import PackageNotFoundError, requires  # noqa: PLC0415  # as above
    from importlib.util import find_spec  # noqa: PLC0415  # as above

    try:
        requirements = requires("stretto") or []
    except PackageNotFoundError:
        requirements = []
    # Core metadata: ``numpy>=2.2; extra == 'analysis'``, in either kind of quotes.
    packages = [
        f"'{name.strip()}'"
        for name, _, marker in (requirement.partition(";") for requirement in requirements)
        if marker.replace('"', "'").strip() == f"extra == '{extra}'"
    ]
    if not packages:
        return f"install the extra {extra} of stretto from where stretto came from"
    # Environments that uv makes have no pip.
    python = sys.executable
    pip = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return f"{pip} {' '.join(packages)}"
