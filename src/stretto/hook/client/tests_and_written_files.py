"""Read the result of a finished tool call: the tests it ran, their counts, and hashes of the files it wrote.

``client``, in the same folder, loads this module only for tools that run commands or write files. The readers
of transcripts and OTLP use it too, so that all sources give the same words. Of a command and its result only
a framework's name and a few counts are recorded, of a path only a keyed hash. Like the client, this module
imports nothing that loads slowly.
"""

TYPE_CHECKING = False  # importing typing would cost as much as starting the interpreter
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Fields = dict[str, object]
"""A payload, a call's input, or attributes of an event."""


SHELLS = frozenset({
    "Bash", "Execute", "PowerShell", "Shell", "bash", "exec_command", "local_shell", "powershell",
    "run_in_terminal", "run_shell_command", "run_terminal_cmd", "shell",
})  # fmt: skip
"""Tools that run a command, in all agents' spellings."""

WRITERS = frozenset({
    "ApplyPatch", "Create", "Delete", "Edit", "EditNotebook", "MultiEdit", "NotebookEdit", "StrReplace",
    "Write", "apply_patch", "create", "create_file", "edit", "edit_file", "insert_edit_into_file", "replace",
    "replace_string_in_file", "search_replace", "str_replace_editor", "write", "write_file",
})  # fmt: skip
"""Tools that write files, likewise. Both sets together are the client's ``WORKING``."""


def read_tool_result(
    payload: Fields, key: bytes, list_commands: "Callable[[], Sequence[str]] | None" = None
) -> Fields:
    """Return the attributes that a call's result adds to its event; without a key there is no hash.

    ``list_commands`` is asked for the configured test commands if the call ran a command.
    """
    tool, order = payload.get("tool_name"), payload.get("tool_input")
    attributes: Fields = {"wrote": hash_written_paths(tool, order, payload.get("cwd"), key)}
    if attributes["wrote"] is not None:
        response = payload.get("tool_response")
        kind = response.get("type") if type(response) is dict else None
        new_files = count_new_files(tool, order)
        attributes["new_files"] = (
            read_new_file(tool, kind, _list_results(payload)) if new_files is None else new_files
        )
    framework = find_framework(tool, order, list_commands() if list_commands and tool in SHELLS else ())
    if framework is not None:
        attributes["test_framework"] = framework
        attributes.update(count_tests(_list_results(payload), framework))
    return attributes


def count_tests(results: list[str], framework: object = None) -> Fields:
    """Return the counts of a test run: those of its summary, and those of its parts that a cache answered.

    Each is from the first of the call's result texts that contains it.
    """
    return {**_count_single_tests(results, framework), **_count_parts(results)}


def _count_single_tests(results: list[str], framework: object) -> Fields:
    """Return the tests that passed and failed.

    Skipped and deselected tests are there if they were reported; pytest reports no number only if it is 0.
    """
    for text in results:
        counts = _read_summary(text)
        passed, failed = _complete_counts(counts)
        if failed is not None:
            found: Fields = {"tests_passed": passed, "tests_failed": failed}
            for kind, name in (("left", "tests_skipped"), ("deselected", "tests_deselected")):
                if kind in counts or framework == "pytest":
                    found[name] = counts.get(kind, 0)
            return found
    return {}


# Test runs: commands that run tests, and the counts in their output.

RUNNERS = {
    "ava": "ava", "bats": "bats", "behave": "behave", "ctest": "ctest", "jasmine": "jasmine", "jest": "jest",
    "mocha": "mocha", "nose2": "nose", "nosetests": "nose", "nox": "nox", "pest": "pest",
    "phpunit": "phpunit", "py.test": "pytest", "pytest": "pytest", "rspec": "rspec", "tox": "tox",
    "unittest": "unittest", "vitest": "vitest",
}  # fmt: skip
"""Programs and Python modules that only run tests → the framework's name."""

TARGETS = {
    "artisan": "artisan", "bazel": "bazel", "bun": "bun", "cargo": "cargo", "composer": "composer",
    "cypress": "cypress", "dart": "dart", "deno": "deno", "dotnet": "dotnet", "flutter": "flutter",
    "go": "go", "gradle": "gradle", "gradlew": "gradle", "just": "just", "karma": "karma",
    "lerna": "lerna", "make": "make", "gmake": "make", "manage.py": "django", "meson": "meson", "mix": "mix",
    "mvn": "maven", "mvnw": "maven", "ng": "ng", "ninja": "ninja", "npm": "npm", "nx": "nx",
    "playwright": "playwright", "pnpm": "pnpm", "rails": "rails", "rake": "rake", "sbt": "sbt",
    "swift": "swift", "turbo": "turbo", "xcodebuild": "xcodebuild", "yarn": "yarn",
}  # fmt: skip
"""Programs that run tests among other things → the framework's name, or the program's own name."""

_VERBS = {
    "cargo": ("nextest", "t", "test"), "cypress": ("run",), "gradle": ("check", "test"),
    "karma": ("start",), "make": ("check", "test", "tests"), "maven": ("integration", "test", "verify"),
    "npm": ("t", "test", "tst"), "rake": ("spec", "test"),
}  # fmt: skip
"""Framework → beginnings of the arguments that run tests; ``test`` for a framework not listed here."""

_LAUNCHERS = frozenset({
    "bundle", "bunx", "conda", "docker", "docker-compose", "dotenv", "hatch", "micromamba", "mise",
    "nice", "npx", "npm", "pdm", "pipenv", "pixi", "pnpm", "podman", "poetry", "rye", "stdbuf", "timeout",
    "uv", "uvx", "xvfb-run", "yarn", "bun",
})  # fmt: skip
"""Programs that may start a test runner named among their arguments."""

_STARTING_SHELLS = frozenset({"bash", "sh", "zsh"})
_INTERPRETERS = frozenset({"deno", "node", "perl", "php", "py", "ruby"})

_BEFORE = frozenset({
    "!", "builtin", "command", "do", "else", "env", "exec", "if", "nohup", "sudo", "then", "time", "while",
    "{",
})  # fmt: skip
_NO_TEST_VERBS = frozenset(
    {"add", "build", "ci", "i", "info", "install", "pip", "pull", "remove", "uninstall"}
)
"""Arguments by which a launcher installs or builds, and runs no tests even if it names a framework."""
_NO_TEST_OPTIONS = frozenset({"--co", "--collect-only", "--help", "--list", "--listTests", "--version", "-h"})
_MARKS = ("test", "spec", "jest", "mocha", "tox", "nox", "check", "ava", "karma", "bats", "behave", "nose",
          "pest", "jasmine", "verify", "cypress")  # fmt: skip
"""Every command that runs tests contains one of these texts; other commands are skipped early."""

_BREAKS = " \t\n;|&()`"
_COMMAND_LIMIT = 4096  # characters of a command that are examined
_TAIL = 8192  # characters at the end of a result that are examined
_NEAR = 4  # most lines of a test summary
_LINE_LIMIT = 400  # characters; a longer line is not a summary
_DIGITS = 8  # of a count; longer numbers are not counts
_DEEPEST = 3  # levels of commands within commands


def find_framework(tool: object, order: object, commands: "Sequence[str]" = ()) -> str | None:
    """Return the test framework that a tool call runs, or None; ``order`` is the call's input.

    ``commands`` are the configured test commands; their framework is the name of their program. A background
    command returns at once, so its result holds no test counts; it returns None.
    """
    if tool not in SHELLS or type(order) is not dict or order.get("run_in_background") is True:
        return None
    command = order.get("command") or order.get("cmd")
    if type(command) is list:
        command = " ".join([word for word in command if type(word) is str])
    if type(command) is not str:
        return None
    return _find_configured(command, commands) or _find_in_command(command)


def _find_in_command(command: str, depth: int = 0) -> str | None:
    """Return the test framework that a shell command runs, or None."""
    command = command[:_COMMAND_LIMIT]
    if depth == _DEEPEST or not [mark for mark in _MARKS if mark in command]:
        return None
    for words in split_commands(command):
        framework = _find_in_words(words, depth)
        if framework is not None:
            return framework
    return None


def split_commands(command: str) -> list[list[str]]:
    """Split a shell command into simple commands, each a list of words; quoted text stays a single word.

    Example: ``cd a && pytest -k "x y"`` gives [["cd", "a"], [], ["pytest", "-k", "x y"]].
    """
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
            # An escaped line end joins two lines; any other escaped character stands for itself.
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
    """Return the end of the here-document that begins at a position: its text is not a command."""
    end = command.find("\n", at)
    if end < 0:
        return at
    delimiter = command[at:end].lstrip("<- ").split(None, 1)
    if not delimiter:
        return at
    closing = command.find("\n" + delimiter[0].strip("'\"\\"), end)
    return len(command) if closing < 0 else closing + 1 + len(delimiter[0].strip("'\"\\"))


def _skip_words_before(words: list[str]) -> list[str]:
    """Return a simple command from its program on; empty without a program, or if it only asks for help."""
    at = 0
    while at < len(words) and (words[at] in _BEFORE or is_assignment(words[at])):
        at += 1
    return words[at:] if _NO_TEST_OPTIONS.isdisjoint(words) else []


def _find_configured(command: str, texts: "Sequence[str]", depth: int = 0) -> str | None:
    """Return the program of the first configured test command that a shell command runs, or None."""
    command = command[:_COMMAND_LIMIT]
    configured = [words for text in texts for words in split_commands(text)[:1] if words]
    configured = [words for words in configured if get_program_name(words[0]) in command]
    if not configured or depth == _DEEPEST:
        return None
    for words in map(_skip_words_before, split_commands(command)):
        for begun in _list_begun_commands(words):
            program = get_program_name(begun[0])
            for expected in configured:
                if program == get_program_name(expected[0]) and begun[1 : len(expected)] == expected[1:]:
                    return program
            inner = _get_shell_command(begun[1:]) if program in _STARTING_SHELLS else None
            started = _find_configured(inner or "", texts, depth + 1)
            if started is not None:
                return started
    return None


def _list_begun_commands(words: list[str]) -> list[list[str]]:
    """Return the commands that a simple command may begin: itself, and those that its program starts.

    Example: ``timeout 60 acme test`` gives itself, ``60 acme test``, ``acme test`` and ``test``.
    """
    if not words:
        return []
    asked = [at for at in range(1, len(words)) if not words[at].startswith("-")]
    if is_starter(words[0]) and get_program_name(words[0]) not in _LAUNCHERS:
        asked = asked[:1]  # a script; what follows are its arguments
    elif not is_starter(words[0]) or any(words[at] in _NO_TEST_VERBS for at in asked[:2]):
        asked = []
    return [words, *[words[at:] for at in asked]]


def is_starter(word: str) -> bool:
    """Return whether a program only starts another program or a script: a launcher, shell or interpreter."""
    program = get_program_name(word)
    starts = program in _LAUNCHERS or program in _STARTING_SHELLS or program in _INTERPRETERS
    return starts or program.startswith(("python", "pypy"))


def _find_in_words(words: list[str], depth: int) -> str | None:
    words = _skip_words_before(words)
    if not words:
        return None
    program, rest = get_program_name(words[0]), words[1:]
    if program in _STARTING_SHELLS:
        return _find_in_shell(rest, depth)
    framework = RUNNERS.get(program) or _find_interpreted(program, rest) or _match_target(program, rest)
    return _find_launched(rest, depth) if framework is None and program in _LAUNCHERS else framework


def _find_in_shell(rest: list[str], depth: int) -> str | None:
    """Return the framework that a shell's ``-c`` argument runs."""
    command = _get_shell_command(rest)
    return None if command is None else _find_in_command(command, depth + 1)


def _get_shell_command(rest: list[str]) -> str | None:
    """Return the text of a shell's ``-c`` argument, or None without one."""
    for at, option in enumerate(rest):
        if option.startswith("-") and option.endswith("c"):
            return " ".join(rest[at + 1 :])
    return None


def _match_target(program: str, rest: list[str]) -> str | None:
    """Return the framework of a program in TARGETS if its arguments ask for tests."""
    framework = TARGETS.get(program)
    asked = [word for word in rest if not word.startswith("-")]
    if framework is None or (program in _LAUNCHERS and not _NO_TEST_VERBS.isdisjoint(asked[:2])):
        return None
    verbs = _VERBS.get(framework, ("test",))
    return framework if [word for word in asked if _is_test_target(word, verbs)] else None


def _find_launched(rest: list[str], depth: int) -> str | None:
    """Return the framework that a launcher starts: that of the first known program in its arguments."""
    asked = [word for word in rest if not word.startswith("-")]
    if depth == _DEEPEST or not _NO_TEST_VERBS.isdisjoint(asked[:2]):
        return None
    for at, word in enumerate(rest):
        program = get_program_name(word)
        if program in RUNNERS or program in TARGETS or program in _LAUNCHERS or program.startswith("python"):
            return _find_in_words(rest[at:], depth + 1)
    return None


def _find_interpreted(program: str, rest: list[str]) -> str | None:
    """Return the framework that an interpreter runs as a module or script."""
    if program == "node":
        return "node" if "--test" in rest else None
    if not program.startswith(("python", "pypy")) and program not in ("py", "coverage", "php"):
        return None
    for at, word in enumerate(rest):
        following = rest[at + 1] if at + 1 < len(rest) else ""
        if word == "-m":
            return _find_interpreted(following, rest[at + 2 :]) or RUNNERS.get(following)
        script = get_program_name(word)
        if script in RUNNERS:
            return RUNNERS[script]
        if script in ("manage.py", "artisan"):
            return TARGETS[script] if following == "test" else None
    return None


def _is_test_target(word: str, verbs: tuple[str, ...]) -> bool:
    """Return whether an argument is a test target: ``test``, ``test:unit``, ``:core:testDebug``."""
    first = word.partition(":")[0].partition("-")[0].partition("_")[0]
    return first in verbs or (word.startswith(":") and word.rpartition(":")[2].startswith("test"))


def get_program_name(word: str) -> str:
    """Return the name of the program that a word of a command starts, without folder and suffix."""
    return word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe").removesuffix(".cmd")


def is_assignment(word: str) -> bool:
    """Return whether a word sets a variable, as in ``CI=1``."""
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier()


_COUNTED = {
    "passed": "passed", "passing": "passed", "pass": "passed", "succeeded": "passed",
    "failed": "failed", "failing": "failed", "fail": "failed", "failures": "failed", "failure": "failed",
    "errors": "failed", "error": "failed",
    "tests": "all", "test": "all", "examples": "all", "example": "all", "run": "all", "total": "all",
    "skipped": "left", "ignored": "left", "pending": "left", "incomplete": "left", "disabled": "left",
    "deselected": "deselected", "filtered": "deselected",
}  # fmt: skip
"""Words beside the numbers of a summary → kind of count."""

_SUITES = ("Test Suites", "Test Files", "Snapshots", "Suites", "Test Suite")
"""Beginnings of summary lines that do not count tests."""


def read_test_counts(text: str) -> tuple[int | None, int | None]:
    """Return the passed and failed tests in the summary at the end of a result; None is not reported.

    The lines are read from the last upwards, and the first count of each kind wins. Example:
    "2 failed, 10 passed in 3.1s" gives (10, 2).
    """
    return _complete_counts(_read_summary(text))


def _read_summary(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    since = 0
    for line in reversed(_strip_colours(text[-_TAIL:]).split("\n")):
        since += 1
        stripped = line.strip("= \t\r")
        adding = stripped.startswith(
            "test result:"
        )  # cargo prints a line for each part of the crate, and these are added up
        if (counts and since > _NEAR and not adding) or len(line) > _LINE_LIMIT:
            continue
        for kind, count in _count_in_line(stripped).items():
            counts[kind] = counts.get(kind, 0) + count if adding else counts.get(kind, count)
            since = 0
    return counts


def _complete_counts(counts: dict[str, int]) -> tuple[int | None, int | None]:
    # A compiler's "2 errors" is no test result. Only pytest reports failures alone, with its duration.
    if not {"all", "passed", "timed"} & set(counts):
        return None, None
    failed, passed = counts.get("failed", 0), counts.get("passed")
    if passed is None:
        passed = max(0, counts["all"] - failed - counts.get("left", 0)) if "all" in counts else 0
    return passed, failed


def _count_in_line(line: str) -> dict[str, int]:
    """Return the counts in a line such as ``3 passed, 1 failed`` or ``Failures: 1, Errors: 0``."""
    counts: dict[str, int] = {}
    if line.startswith(_SUITES):
        return counts
    totals = line.lower().startswith("test")
    for piece in line.replace(";", ",").replace("|", ",").split(","):
        for word, number in _pair_numbers(piece):
            kind = _COUNTED.get(word)
            if kind is not None and (word != "total" or totals) and len(number) < _DIGITS:
                # A summary lists failures and errors separately; both are failed tests.
                counts[kind] = int(number) + (counts.get(kind, 0) if kind == "failed" else 0)
    if "failed" in counts and " in " in line and line.endswith(("s", ")")):
        counts["timed"] = 1
    return counts


def _pair_numbers(piece: str) -> list[tuple[str, str]]:
    """Return the (word, number) pairs in a part of a summary."""
    name, _, value = piece.rpartition(":" if ":" in piece else "=")
    value = value.strip(" ().!")
    key = name.split()[-1].strip("(").lower() if name.strip() else ""
    if key in _COUNTED and value.isdigit():
        return [(key, value)]
    words = [word.strip("().,:!=").lower() for word in piece.split()]
    if piece.split()[-1:] and piece.rsplit(maxsplit=1)[-1].isdigit():
        # Node begins its lines with a sign and puts the number last.
        return [(words[-2], words[-1])] if len(words) == 3 else _read_out_of(words)  # noqa: PLR2004  # sign, word, number
    pairs = []
    for at, word in enumerate(words[:-1]):
        if word.isdigit():
            noun, after = (*words[at + 1 : at + 3], "")[:2]
            # "2 tests failed" counts failed tests, not all tests.
            pairs.append((after if noun.startswith("test") and after in ("passed", "failed") else noun, word))
    return pairs


def _read_out_of(words: list[str]) -> list[tuple[str, str]]:
    """Return the pairs of CMake's summary ``2 tests failed out of 100``."""
    if words[-3:-1] != ["out", "of"]:
        return []
    return [("failed", words[-6]), ("tests", words[-1])] if words[-4:-3] == ["failed"] else []


# Parts of a test run that a cache may answer: Go's packages, Bazel's targets, tasks of Gradle and others.

_CACHE_MARKS = ("ok  \t", "FAIL\t", "//", "> Task :", "Cached:", "Nx read the output from")
"""Each result that names parts contains one of these texts; others are skipped early."""

_RESULT_LIMIT = 1 << 20  # characters of a result that are examined
_TARGET_RESULTS = frozenset({"PASSED", "FAILED", "FLAKY,", "TIMEOUT"})


def _count_parts(results: list[str]) -> Fields:
    """Return how many parts a test run had, and of how many a cache gave the result, if it names them."""
    for text in results:
        if len(text) > _RESULT_LIMIT or not [mark for mark in _CACHE_MARKS if mark in text]:
            continue
        states = []
        for line in _strip_colours(text).split("\n"):
            total = _read_total_of_parts(line)
            if total is not None:
                return {"test_parts": total[1], "test_parts_cached": total[0]}
            states.append(_is_cached_part(line))
        ran, cached = states.count(False), states.count(True)
        if ran + cached:
            return {"test_parts": ran + cached, "test_parts_cached": cached}
    return {}


def _read_total_of_parts(line: str) -> tuple[int, int] | None:
    """Return (cached, all) tasks of Nx or Turborepo, if the line sums them up.

    Examples: ``Nx read the output from the cache instead of running the command for 3 out of 5 tasks.``,
    ``Cached:    3 cached, 5 total``.
    """
    if not line.lstrip().startswith(("Cached:", "Nx read the output from")):
        return None
    words = line.split()
    if words[2:3] == ["cached,"] and words[4:] == ["total"]:
        numbers = words[1], words[3]
    elif words[-4:-2] == ["out", "of"]:
        numbers = words[-5], words[-2]
    else:
        return None
    cached, total = [int(number) if number.isdigit() and len(number) < _DIGITS else -1 for number in numbers]
    return (cached, total) if 0 <= cached <= total and total else None


def _is_cached_part(line: str) -> bool | None:
    """Return whether a line is of a part whose result is cached; None if it is of no part that has a result.

    Examples: ``ok acme/shop (cached)`` and ``FAIL acme/shop 0.02s`` of Go, with tabs; ``//shop:test (cached)
    PASSED in 0.3s`` of Bazel; ``> Task :shop:test UP-TO-DATE`` of Gradle.
    """
    if line.startswith(("ok  \t", "FAIL\t")):
        words = line.split()
        # A package that was not built has no result, cached or not.
        return words[2] == "(cached)" if len(words) > 2 and not words[2].startswith("[") else None  # noqa: PLR2004  # result, package, time
    if line.startswith(("//", "@")):
        words = line.split()[1:]
        known = " in " in line and not _TARGET_RESULTS.isdisjoint(words[:2])
        return words[0].endswith("cached)") if known else None
    if line.startswith("> Task :"):
        words = line[len("> Task :") :].split() or [""]
        name, state = words[0].rpartition(":")[2], words[1:2]
        if name == "test" or name.endswith("Test"):
            return state[0] in ("FROM-CACHE", "UP-TO-DATE") if state and state != ["FAILED"] else False
    return None


def _strip_colours(text: str) -> str:
    """Return a text without terminal colour codes."""
    first, *rest = text.split("\x1b[")
    return first + "".join([part.partition("m")[2] for part in rest])


def _list_results(payload: Fields) -> list[str]:
    """Return the texts of a call's result, under the field names of all agents."""
    values: list[object] = []
    for field in ("tool_response", "tool_result", "tool_output", "error"):
        value = payload.get(field)
        values += [value.get(part) for part in _OUTPUTS] if type(value) is dict else [value]
    texts = [text for text in values if type(text) is str and text]
    # Cursor writes the result as JSON into a text.
    return [text.replace("\\n", "\n") if text.startswith("{") else text for text in texts]


_OUTPUTS = ("stdout", "stderr", "output", "llmContent", "returnDisplay", "text_result_for_llm", "content")


# Hashes of written files: they show that two tasks wrote the same file, but not which file.

PATHS = ("file_path", "notebook_path", "path", "filePath", "target_file", "filename")
_PATCHED = ("*** Add File: ", "*** Delete File: ", "*** Move to: ", "*** Update File: ")
_MOST_FILES = 11  # hashes of 16 characters that fit into one attribute


def hash_written_paths(tool: object, order: object, cwd: object, key: bytes) -> str | None:
    """Return keyed hashes of the paths that a call writes, 16 hex digits each, or None without any.

    The hash is BLAKE2b keyed with this installation's secret, so that nobody can find the path by trial. A
    relative path is resolved against the working directory ``cwd``; without ``cwd`` it has no hash.
    """
    if not key or tool not in WRITERS or type(order) is not dict or order.get("command") == "view":
        return None
    paths = [path for name in PATHS if type(path := order.get(name)) is str and path][:1]
    for value in order.values():
        if type(value) is str and _is_patch(value):
            paths += [line.partition(": ")[2] for line in value.splitlines() if line.startswith(_PATCHED)]
    absolute = {full for path in paths if (full := _make_absolute(path.strip(), cwd)) is not None}
    if not absolute:
        return None
    try:
        from _blake2 import blake2b  # noqa: PLC0415  hashlib loads OpenSSL, which takes as long as a start
    except ImportError:
        from hashlib import blake2b  # noqa: PLC0415  every interpreter has this module
    hashes = [
        blake2b(path.encode("utf-8", "replace"), digest_size=8, key=key, person=b"path").hexdigest()
        for path in absolute
    ]
    return " ".join(sorted(hashes)[:_MOST_FILES])


EDITORS = frozenset({
    "Edit", "EditNotebook", "MultiEdit", "NotebookEdit", "StrReplace", "edit", "replace",
    "replace_string_in_file", "search_replace",
})  # fmt: skip
"""Those of ``WRITERS`` that change text of a file that exists."""
_OLD_TEXTS = ("old_string", "oldString", "old_str", "oldText")
_NEW_OR_NOT = {"create": 1, "update": 0}
_RESULTS_OF_WRITE_FILE = (
    ("Successfully created and wrote to new file", 1),
    ("Successfully overwrote file", 0),
)


def count_new_files(tool: object, order: object) -> int | None:
    """Return how many of the files that a call writes did not exist before, by its input, or None.

    A patch names the files that it adds, and an edit of text that is there adds none.
    """
    if tool not in WRITERS or type(order) is not dict:
        return None
    patches = [text for text in order.values() if type(text) is str and _is_patch(text)]
    if patches:
        return sum(line.startswith(_PATCHED[0]) for patch in patches for line in patch.splitlines())
    # Nothing as the text to replace makes a new file, or fills an empty one.
    return 0 if tool in EDITORS and "" not in [order.get(name) for name in _OLD_TEXTS] else None


def read_new_file(tool: object, kind: object, results: "Sequence[str]" = ()) -> int | None:
    """Return 1 if the result of a call says that its file is new, 0 if it is not, None if it does not say.

    ``kind`` is the type of Claude Code's answer to Write. ``results`` are the texts of the result: Gemini CLI
    and Qwen Code say in it what write_file did.
    """
    if tool == "Write" and type(kind) is str:
        return _NEW_OR_NOT.get(kind)
    begun = [count for text in results for start, count in _RESULTS_OF_WRITE_FILE if text.startswith(start)]
    return begun[0] if begun and tool == "write_file" else None


def _is_patch(text: str) -> bool:
    return text.lstrip().startswith("*** Begin Patch")


def _make_absolute(path: str, cwd: object) -> str | None:
    """Return a path in its standard spelling: absolute, with slashes, without ``.`` and ``..``."""
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
