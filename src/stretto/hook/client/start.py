"""Start the hook client from its compiled form: ``python -I -S start.py [STATE_DIR [AGENT]]``.

A script is compiled anew at each start, which would cost the client more than everything it does; a module
is compiled once for each interpreter and read from ``__pycache__`` from then on. Where that cannot be
written, is of another version or damaged, the client's source is used: slower, and always right. Prints
nothing and exits with 0, also without the client beside it.
"""

import sys

if __name__ == "__main__":
    folder = __file__.removesuffix("start.py")
    sys.path.insert(0, folder)
    try:
        try:
            from client import main  # type: ignore[import-not-found]  # by its place, not as a package
        except Exception:  # noqa: BLE001  a damaged cache can fail in any way
            scope = {"__name__": "client", "__file__": folder + "client.py"}
            with open(folder + "client.py", encoding="utf-8") as source:  # noqa: PTH123  pathlib costs 5 ms
                exec(source.read(), scope)  # noqa: S102  it is the file that the import above runs
            main = scope["main"]
        main(sys.argv[1:])
    except BaseException:  # noqa: BLE001  the agent comes first: nobody may hear of it
        sys.exit(0)
