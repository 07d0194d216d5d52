"""Start the hook client from its compiled form: ``python -I -S start.py [STATE_DIR [AGENT]]``.

Python compiles a script at each start, which takes longer than the client itself. A module is compiled once
for each interpreter and then read from ``__pycache__``. If that folder cannot be written, or its file is
damaged or of another version, the client's source is used: slower, but always right. This file prints
nothing and exits with 0, even if the client is missing.
"""

import sys

if __name__ == "__main__":
    folder = __file__.removesuffix("start.py")
    sys.path.insert(0, folder)
    try:
        try:
            from client import main  # type: ignore[import-not-found]  # found by its folder, not as a package
        except Exception:  # noqa: BLE001  a damaged cache can fail in any way
            scope = {"__name__": "client", "__file__": folder + "client.py"}
            with open(folder + "client.py", encoding="utf-8") as source:  # noqa: PTH123  pathlib costs 5 ms
                exec(source.read(), scope)  # noqa: S102  the same file as in the import above
            main = scope["main"]
        main(sys.argv[1:])
    except BaseException:  # noqa: BLE001  a failure must not disturb the agent
        sys.exit(0)
