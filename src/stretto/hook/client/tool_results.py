"""What a finished tool call did: which tests it ran and how they went, and which files it wrote, as hashes.

``client``, the file beside this one, loads it only for a call of a tool that runs commands or writes files;
transcripts and OTLP are read by the same words. Of a command and its result only the name of a framework and
two counts pass, of a path only a keyed hash. Like the client this imports nothing that costs.
"""

Fields = dict[str, object]
"""A payload, a call's input, or attributes of an event."""


SHELLS = frozenset({
    "Bash", "Execute", "PowerShell", "Shell", "bash", "exec_command", "local_shell", "powershell",
    "run_in_terminal", "run_shell_command", "run_terminal_cmd", "shell",
})  # fmt: skip
"""The tools that run a command, by what the agents call them."""

WRITERS = frozenset({
    "ApplyPatch", "Create", "Delete", "Edit", "EditNotebook", "MultiEdit", "NotebookEdit", "StrReplace",
    "Write", "apply_patch", "create", "create_file", "edit", "edit_file", "insert_edit_into_file", "replace",
    "replace_string_in_file", "search_replace", "str_replace_editor", "write", "write_file",
})  # fmt: skip
"""The tools that write files, likewise. Both together are the client's ``WORKING``."""


def read_tool_result(payload: Fields, key: bytes) -> Fields:
    """Return the attributes that a call's end adds to its event; without a key there is no hash."""
    tool, order = payload.get("tool_name"), payload.get("tool_input")
    found: Fields = {"wrote": hash_written_paths(tool, order, payload.get("cwd"), key)}
    framework = find_framework(tool, order)
    if framework is not None:
        found["test_framework"] = framework
        found.update(count_tests(_list_results(payload)))
    return found


def count_tests(results: list[str]) -> Fields:
    """Return how many tests passed and failed by the first of a call's results that says so."""
    for text in results:
        passed, failed = read_test_counts(text)
        if failed is not None:
            return {"tests_passed": passed, "tests_failed": failed}
    return {}


# Tests as work: which commands run tests, and how many passed.

RUNNERS = {
    "ava": "ava", "bats": "bats", "behave": "behave", "ctest": "ctest", "jasmine": "jasmine", "jest": "jest",
    "mocha": "mocha", "nose2": "nose", "nosetests": "nose", "nox": "nox", "pest": "pest",
    "phpunit": "phpunit", "py.test": "pytest", "pytest": "pytest", "rspec": "rspec", "tox": "tox",
    "unittest": "unittest", "vitest": "vitest",
}  # fmt: skip
"""Programs and Python modules that do nothing but run tests → the framework's name."""

TARGETS = {
    "artisan": "artisan", "bazel": "bazel", "bun": "bun", "cargo": "cargo", "composer": "composer",
    "cypress": "cypress", "dart": "dart", "deno": "deno", "dotnet": "dotnet", "flutter": "flutter",
    "go": "go", "gradle": "gradle", "gradlew": "gradle", "just": "just", "karma": "karma",
    "lerna": "lerna", "make": "make", "gmake": "make", "manage.py": "django", "meson": "meson", "mix": "mix",
    "mvn": "maven", "mvnw": "maven", "ng": "ng", "ninja": "ninja", "npm": "npm", "nx": "nx",
    "playwright": "playwright", "pnpm": "pnpm", "rails": "rails", "rake": "rake", "sbt": "sbt",
    "swift": "swift", "turbo": "turbo", "xcodebuild": "xcodebuild", "yarn": "yarn",
}  # fmt: skip
"""Programs that run tests among other things → the framework's name, or theirs where they hide it."""

_VERBS = {
    "cargo": ("nextest", "t", "test"), "cypress": ("run",), "gradle": ("check", "test"),
    "karma": ("start",), "make": ("check", "test", "tests"), "maven": ("integration", "test", "verify"),
    "npm": ("t", "test", "tst"), "rake": ("spec", "test"),
}  # fmt: skip
"""Framework → first parts of what it is asked for to run tests, where that is not just ``test``."""

_LAUNCHERS = frozenset({
    "bundle", "bunx", "conda", "docker", "docker-compose", "dotenv", "hatch", "micromamba", "mise",
    "nice", "npx", "npm", "pdm", "pipenv", "pixi", "pnpm", "podman", "poetry", "rye", "stdbuf", "timeout",
    "uv", "uvx", "xvfb-run", "yarn", "bun",
})  # fmt: skip
"""Programs that may start one of those, somewhere among their words."""

_BEFORE = frozenset({
    "!", "builtin", "command", "do", "else", "env", "exec", "if", "nohup", "sudo", "then", "time", "while",
    "{",
})  # fmt: skip
_FETCHING = frozenset({"add", "build", "ci", "i", "info", "install", "pip", "pull", "remove", "uninstall"})
"""What a launcher is asked for that runs no tests though it may name their framework."""
_NOT_RUNNING = frozenset({"--co", "--collect-only", "--help", "--list", "--listTests", "--version", "-h"})
_MARKS = ("test", "spec", "jest", "mocha", "tox", "nox", "check", "ava", "karma", "bats", "behave", "nose",
          "pest", "jasmine", "verify", "cypress")  # fmt: skip
"""One of these stands in every command that runs tests: the rest need not be looked at."""

_BREAKS = " \t\n;|&()`"
_COMMAND_LIMIT = 4096  # characters of a command that are looked at
_TAIL = 8192  # characters at the end of a result that are looked at
_NEAR = 4  # lines that a summary of tests may be spread over
_LINE_LIMIT = 400  # characters; a longer line is no summary
_DIGITS = 8  # of a count; longer numbers are something else
_DEEPEST = 3  # commands within commands


def find_framework(tool: object, order: object) -> str | None:
    """Return the test framework that a call of a tool runs, or None; ``order`` is the call's input.

    A command left in the background returns at once: how its tests went is not in its result.
    """
    if tool not in SHELLS or type(order) is not dict or order.get("run_in_background") is True:
        return None
    command = order.get("command") or order.get("cmd")
    if type(command) is list:
        command = " ".join([word for word in command if type(word) is str])
    if type(command) is not str:
        return None
    return _find_in_command(command)


def _find_in_command(command: str, depth: int = 0) -> str | None:
    """Return the test framework that a shell command runs, or None."""
    command = command[:_COMMAND_LIMIT]
    if depth == _DEEPEST or not [mark for mark in _MARKS if mark in command]:
        return None
    for words in _split_commands(command):
        found = _find_in_words(words, depth)
        if found is not None:
            return found
    return None


def _split_commands(command: str) -> list[list[str]]:
    """Return the simple commands of a shell command as words. What is quoted stays together."""
    commands: list[list[str]] = [[]]
    word, at = "", 0
    while at < len(command):
        sign = command[at]
        at += 1
        if sign in "'\"":
            end = command.find(sign, at)
            end = len(command) if end < 0 else end
            word += command[at:end]
            at = end + 1
        elif sign == "\\":
            # A line's end that is escaped joins two lines; of any other sign only itself is left.
            word += command[at : at + 1].strip("\n")
            at += 1
        elif sign in _BREAKS:
            commands[-1] += [word] if word else []
            commands += [[]] if sign not in " \t" else []
            word = ""
        elif sign == "<" and command[at : at + 1] == "<":
            at = _skip_document(command, at + 1)
        elif sign == "#" and not word:
            at = (command.find("\n", at) + 1 or len(command) + 1) - 1
        else:
            word += sign
    commands[-1] += [word] if word else []
    return commands


def _skip_document(command: str, at: int) -> int:
    """Return where a here-document ends that is announced at a place: its text is no command."""
    end = command.find("\n", at)
    if end < 0:
        return at
    delimiter = command[at:end].lstrip("<- ").split(None, 1)
    if not delimiter:
        return at
    closing = command.find("\n" + delimiter[0].strip("'\"\\"), end)
    return len(command) if closing < 0 else closing + 1 + len(delimiter[0].strip("'\"\\"))


def _find_in_words(words: list[str], depth: int) -> str | None:
    at = 0
    while at < len(words) and (words[at] in _BEFORE or _is_assignment(words[at])):
        at += 1
    if at == len(words) or not _NOT_RUNNING.isdisjoint(words):
        return None
    program, rest = _get_program_name(words[at]), words[at + 1 :]
    if program in ("bash", "sh", "zsh"):
        return _find_in_shell(rest, depth)
    found = RUNNERS.get(program) or _find_interpreted(program, rest) or _match_target(program, rest)
    return _find_launched(rest, depth) if found is None and program in _LAUNCHERS else found


def _find_in_shell(rest: list[str], depth: int) -> str | None:
    """Return what a shell's ``-c`` runs."""
    for at, option in enumerate(rest):
        if option.startswith("-") and option.endswith("c"):
            return _find_in_command(" ".join(rest[at + 1 :]), depth + 1)
    return None


def _match_target(program: str, rest: list[str]) -> str | None:
    """Return the framework of a program that is asked for tests among other things."""
    framework = TARGETS.get(program)
    asked = [word for word in rest if not word.startswith("-")]
    if framework is None or (program in _LAUNCHERS and not _FETCHING.isdisjoint(asked[:2])):
        return None
    verbs = _VERBS.get(framework, ("test",))
    return framework if [word for word in asked if _is_test_target(word, verbs)] else None


def _find_launched(rest: list[str], depth: int) -> str | None:
    """Return what a launcher starts: the first program known here among its words."""
    asked = [word for word in rest if not word.startswith("-")]
    if depth == _DEEPEST or not _FETCHING.isdisjoint(asked[:2]):
        return None
    for at, word in enumerate(rest):
        program = _get_program_name(word)
        if program in RUNNERS or program in TARGETS or program in _LAUNCHERS or program.startswith("python"):
            return _find_in_words(rest[at:], depth + 1)
    return None


def _find_interpreted(program: str, rest: list[str]) -> str | None:
    """Return the framework that an interpreter is asked to run: as a module, or by its script."""
    if program == "node":
        return "node" if "--test" in rest else None
    if not program.startswith(("python", "pypy")) and program not in ("py", "coverage", "php"):
        return None
    for at, word in enumerate(rest):
        following = rest[at + 1] if at + 1 < len(rest) else ""
        if word == "-m":
            return _find_interpreted(following, rest[at + 2 :]) or RUNNERS.get(following)
        script = _get_program_name(word)
        if script in RUNNERS:
            return RUNNERS[script]
        if script in ("manage.py", "artisan"):
            return TARGETS[script] if following == "test" else None
    return None


def _is_test_target(word: str, verbs: tuple[str, ...]) -> bool:
    """Tell whether a word asks for tests: ``test``, ``test:unit``, ``test-fast``, ``:core:testDebug``."""
    first = word.partition(":")[0].partition("-")[0].partition("_")[0]
    return first in verbs or (word.startswith(":") and word.rpartition(":")[2].startswith("test"))


def _get_program_name(word: str) -> str:
    return word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe").removesuffix(".cmd")


def _is_assignment(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier()


_COUNTED = {
    "passed": "passed", "passing": "passed", "pass": "passed", "succeeded": "passed",
    "failed": "failed", "failing": "failed", "fail": "failed", "failures": "failed", "failure": "failed",
    "errors": "failed", "error": "failed",
    "tests": "all", "test": "all", "examples": "all", "example": "all", "run": "all", "total": "all",
    "skipped": "left", "ignored": "left", "pending": "left", "incomplete": "left", "disabled": "left",
}  # fmt: skip
"""Words beside the numbers of a summary → what they count."""

_SUITES = ("Test Suites", "Test Files", "Snapshots", "Suites", "Test Suite")
"""How lines of summaries begin that count something else than tests."""


def read_test_counts(text: str) -> tuple[int | None, int | None]:
    """Return how many tests passed and failed by the summary at the end of a result; None is not told."""
    counts: dict[str, int] = {}
    since = 0
    for line in reversed(_strip_colours(text[-_TAIL:]).split("\n")):
        since += 1
        stripped = line.strip("= \t\r")
        adding = stripped.startswith("test result:")  # cargo has one for each of the crate's parts
        if (counts and since > _NEAR and not adding) or len(line) > _LINE_LIMIT:
            continue
        for what, count in _count_in_line(stripped).items():
            counts[what] = counts.get(what, 0) + count if adding else counts.get(what, count)
            since = 0
    return _complete_counts(counts)


def _complete_counts(counts: dict[str, int]) -> tuple[int | None, int | None]:
    # A compiler's "2 errors" is none of it: failures alone are pytest's, which says how long it took.
    if not {"all", "passed", "timed"} & set(counts):
        return None, None
    failed, passed = counts.get("failed", 0), counts.get("passed")
    if passed is None:
        passed = max(0, counts["all"] - failed - counts.get("left", 0)) if "all" in counts else 0
    return passed, failed


def _count_in_line(line: str) -> dict[str, int]:
    """Return what a line counts, as ``3 passed, 1 failed`` or as ``Failures: 1, Errors: 0``."""
    found: dict[str, int] = {}
    if line.startswith(_SUITES):
        return found
    totals = line.lower().startswith("test")
    for piece in line.replace(";", ",").replace("|", ",").split(","):
        for what, number in _pair_numbers(piece):
            kind = _COUNTED.get(what)
            if kind is not None and (what != "total" or totals) and len(number) < _DIGITS:
                # Failures and errors stand side by side.
                found[kind] = int(number) + (found.get(kind, 0) if kind == "failed" else 0)
    if "failed" in found and " in " in line and line.endswith(("s", ")")):
        found["timed"] = 1
    return found


def _pair_numbers(piece: str) -> list[tuple[str, str]]:
    """Return the words and the numbers beside them in a part of a summary."""
    name, _, value = piece.rpartition(":" if ":" in piece else "=")
    value = value.strip(" ().!")
    key = name.split()[-1].strip("(").lower() if name.strip() else ""
    if key in _COUNTED and value.isdigit():
        return [(key, value)]
    words = [word.strip("().,:!=").lower() for word in piece.split()]
    if piece.split()[-1:] and piece.rsplit(maxsplit=1)[-1].isdigit():
        # Node begins its lines with a sign, and puts the number last.
        return [(words[-2], words[-1])] if len(words) == 3 else _read_out_of(words)  # noqa: PLR2004  # sign, word, number
    found = []
    for at, word in enumerate(words[:-1]):
        if word.isdigit():
            what, after = (*words[at + 1 : at + 3], "")[:2]
            # "2 tests failed" counts failures.
            found.append((after if what.startswith("test") and after in ("passed", "failed") else what, word))
    return found


def _read_out_of(words: list[str]) -> list[tuple[str, str]]:
    """Return what CMake's summary counts: ``2 tests failed out of 100``."""
    if words[-3:-1] != ["out", "of"]:
        return []
    return [("failed", words[-6]), ("tests", words[-1])] if words[-4:-3] == ["failed"] else []


def _strip_colours(text: str) -> str:
    """Return a text without the signs that colour a terminal."""
    first, *rest = text.split("\x1b[")
    return first + "".join([part.partition("m")[2] for part in rest])


def _list_results(payload: Fields) -> list[str]:
    """Return the texts that a call's result is made of, by whatever name an agent gives it."""
    found: list[object] = []
    for field in ("tool_response", "tool_result", "tool_output", "error"):
        value = payload.get(field)
        found += [value.get(part) for part in _OUTPUTS] if type(value) is dict else [value]
    texts = [text for text in found if type(text) is str and text]
    # Cursor writes the whole result as JSON into a text.
    return [text.replace("\\n", "\n") if text.startswith("{") else text for text in texts]


_OUTPUTS = ("stdout", "stderr", "output", "llmContent", "returnDisplay", "text_result_for_llm", "content")


# Which file a call wrote, as a hash: whether two tasks wrote the same file can be told, and not which.

PATHS = ("file_path", "notebook_path", "path", "filePath", "target_file", "filename")
_PATCHED = ("*** Add File: ", "*** Delete File: ", "*** Move to: ", "*** Update File: ")
_MOST_FILES = 11  # hashes of 16 characters that fit into one attribute


def hash_written_paths(tool: object, order: object, cwd: object, key: bytes) -> str | None:
    """Return keyed hashes of the paths that a call writes, 16 hex digits each, or None for none.

    BLAKE2b with the secret of this installation: without it nobody can try out which path it was. A relative
    path is looked up from the working directory ``cwd``; without that it has no hash.
    """
    if not key or tool not in WRITERS or type(order) is not dict or order.get("command") == "view":
        return None
    paths = [path for name in PATHS if type(path := order.get(name)) is str and path][:1]
    for value in order.values():
        if type(value) is str and value.lstrip().startswith("*** Begin Patch"):
            paths += [line.partition(": ")[2] for line in value.splitlines() if line.startswith(_PATCHED)]
    absolute = {full for path in paths if (full := _make_absolute(path.strip(), cwd)) is not None}
    if not absolute:
        return None
    try:
        from _blake2 import blake2b  # noqa: PLC0415  hashlib loads OpenSSL, at the price of a whole start
    except ImportError:
        from hashlib import blake2b  # noqa: PLC0415  no interpreter lacks this one
    hashes = [
        blake2b(path.encode("utf-8", "replace"), digest_size=8, key=key, person=b"path").hexdigest()
        for path in absolute
    ]
    return " ".join(sorted(hashes)[:_MOST_FILES])


def _make_absolute(path: str, cwd: object) -> str | None:
    """Return a path in one spelling: absolute, with slashes, without ``.`` and ``..``."""
    path = path.replace("\\", "/")
    if not path.startswith("/") and path[1:2] != ":":
        if type(cwd) is not str or not cwd:
            return None
        path = cwd.replace("\\", "/") + "/" + path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
