from __future__ import annotations

from typing import Any

import pytest

from stretto.hook.client import client
from stretto.hook.client import tests_and_written_files as work
from stretto.hook.client.tests_and_written_files import (
    count_tests,
    find_framework,
    hash_written_paths,
    read_test_counts,
    read_tool_result,
)

KEY = b"k" * 32


@pytest.mark.parametrize(
    ("command", "framework"),
    [
        ("pytest", "pytest"),
        ("pytest -q tests/test_a.py 2>&1 | tail -5", "pytest"),
        ("cd /src && PYTHONPATH=. .venv/bin/pytest -x", "pytest"),
        ("python -m pytest -q", "pytest"),
        ("python3.11 -X dev -m unittest discover", "unittest"),
        ("py -3 -m unittest", "unittest"),
        ("coverage run -m pytest", "pytest"),
        ("python -m coverage run -m pytest", "pytest"),
        ("uv run --extra dev pytest -q", "pytest"),
        ("uv run python -m pytest", "pytest"),
        ("poetry run pytest", "pytest"),
        ("timeout 60 pytest", "pytest"),
        ("timeout 60 uv run pytest", "pytest"),
        ("docker compose exec app pytest -q", "pytest"),
        ("bash -lc 'cd x && pytest -q'", "pytest"),
        ("for i in 1 2; do pytest; done", "pytest"),
        ("(cd sub; pytest)", "pytest"),
        ("cat > t.py <<'EOF'\nprint('hello test')\nEOF\npytest t.py", "pytest"),
        ("python manage.py test app", "django"),
        ("tox -e py311", "tox"),
        ("nox -s tests", "nox"),
        ("npx jest --ci", "jest"),
        ("node_modules/.bin/vitest run", "vitest"),
        ("npx mocha spec", "mocha"),
        ("npm test -- --watch=false", "npm"),
        ("npm run test:unit", "npm"),
        ("npm --prefix web run test", "npm"),
        ("yarn test", "yarn"),
        ("pnpm -r test", "pnpm"),
        ("pnpm exec vitest", "vitest"),
        ("bun test", "bun"),
        ("deno test -A", "deno"),
        ("node --test", "node"),
        ("npx playwright test", "playwright"),
        ("go test ./...", "go"),
        ("cargo test --workspace", "cargo"),
        ("cargo +nightly nextest run", "cargo"),
        ("mvn -q -pl core clean verify", "maven"),
        ("./mvnw test", "maven"),
        ("./gradlew :core:testDebug", "gradle"),
        ("gradle check", "gradle"),
        ("bundle exec rspec", "rspec"),
        ("bin/rails test", "rails"),
        ("vendor/bin/phpunit --testdox", "phpunit"),
        ("php artisan test", "artisan"),
        ("dotnet test --no-build", "dotnet"),
        ("ctest --output-on-failure", "ctest"),
        ("make -C build test", "make"),
        ("make check", "make"),
        ("swift test", "swift"),
        ("ls tests && cat tests/test_a.py", None),
        ("grep -rn pytest .", None),
        ("pip install pytest", None),
        ("uv add pytest", None),
        ("uv pip install pytest", None),
        ("npm install jest", None),
        ("npm ci", None),
        ("docker build -t pytest .", None),
        ('git commit -m "run pytest && cargo test"', None),
        ("git commit -m 'x' # then pytest", None),
        ("echo 'pytest' > notes.txt", None),
        ("cat > notes <<EOF\npytest\nEOF\nls", None),
        ("cargo build --tests", None),
        ("go build ./test", None),
        ("make build", None),
        ("pytest --version", None),
        ("pytest --collect-only", None),
        ("python scripts/make_tests.py", None),
        ("cat pytest.ini; vim conftest.py", None),
        ("", None),
        ("'unclosed test", None),
        ("test -f x <<", None),
    ],
)
def test_a_command_that_runs_tests_is_told_from_one_that_only_names_them(
    command: str, framework: str | None
) -> None:
    """The program decides, at any place among launchers, assignments and other commands."""
    assert find_framework("Bash", {"command": command}) == framework


@pytest.mark.parametrize(
    ("command", "framework"),
    [
        ("scripts/verify.sh", "verify.sh"),
        ("cd /app && CI=1 ./scripts/verify.sh --fast | tail -3", "verify.sh"),
        ("bash -e scripts/verify.sh", "verify.sh"),
        ("timeout 600 bash -lc 'cd x; scripts/verify.sh'", "verify.sh"),
        ("bash -lc 'cd x; scripts/verify.sh'", "verify.sh"),
        ("acme test --all", "acme"),
        ("npx acme test", "acme"),
        ("uv run python -m acme.suite 'slow ones'", "python"),
        ("make e2e", "make"),
        ("make test", "make"),
        ("pytest -q", "pytest"),
        ("acme build test", None),
        ("acme", None),
        ("acme test --help", None),
        ("npm install acme test", None),
        ("cat scripts/verify.sh", None),
        ("python report.py verify.sh", None),
        ("echo acme test", None),
    ],
)
def test_configured_commands_run_tests_too(command: str, framework: str | None) -> None:
    """They are recognised where built-in ones are; the name is that of their program."""
    configured = ("tools/verify.sh", "acme test", "python -m acme.suite 'slow ones'", "make e2e")
    assert find_framework("Bash", {"command": command}, configured) == framework
    assert find_framework("Read", {"command": command}, configured) is None


def test_a_command_comes_as_text_or_as_a_list() -> None:
    """Each agent's form of a command is read; other tools and background commands have none."""
    assert find_framework("shell", {"command": ["bash", "-lc", "pytest -q"]}) == "pytest"
    assert find_framework("exec_command", {"cmd": "go test ./..."}) == "go"
    assert find_framework("Bash", {"command": "pytest", "run_in_background": True}) is None
    assert find_framework("Read", {"command": "pytest"}) is None
    for order in (None, "pytest", {}, {"command": 7}, {"command": [7, None]}):
        assert find_framework("Bash", order) is None


PYTEST = """\
tests/test_a.py ..F                                                     [100%]
=========================== short test summary info ============================
FAILED tests/test_a.py::test_x - assert 1 == 2
==================== 1 failed, 2 passed, 3 skipped in 0.12s ====================
"""
UNITTEST = "......F\n-----\nRan 12 tests in 0.010s\n\nFAILED (failures=1, errors=2, skipped=1)\n"
JEST = """\
Test Suites: 1 failed, 2 passed, 3 total
Tests:       2 failed, 1 skipped, 7 passed, 10 total
Snapshots:   0 total
Time:        1.5 s
Ran all test suites.
"""
VITEST = " Test Files  1 failed | 2 passed (3)\n      Tests  1 failed | 4 passed (5)\n   Duration  1.21s\n"
CARGO = """\
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/b.rs (target/debug/deps/b)

running 2 tests
test a ... ok
test b ... FAILED

failures:
    b

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
"""
NODE = "\n".join(
    f"\u2139 {what}" for what in ("tests 5", "suites 0", "pass 4", "fail 1", "cancelled 0", "todo 0")
)
MAVEN = """\
[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.1 s - in A
[INFO] Results:
[ERROR] Tests run: 10, Failures: 1, Errors: 1, Skipped: 2
[INFO] BUILD FAILURE
"""


@pytest.mark.parametrize(
    ("text", "passed", "failed"),
    [
        (PYTEST, 2, 1),
        ("97 passed, 2 warnings in 1.23s\n", 97, 0),
        ("\x1b[31m\x1b[1m3 failed\x1b[0m, \x1b[32m97 passed\x1b[0m in 61.02s (0:01:01)", 97, 3),
        ("===== 3 failed in 0.12s =====", 0, 3),
        ("1 error in 0.51s", 0, 1),
        ("no tests ran in 0.01s", None, None),
        (UNITTEST, 8, 3),
        ("Ran 3 tests in 0.1s\n\nOK\n", 3, 0),
        (JEST, 7, 2),
        (VITEST, 4, 1),
        ("  5 passing (20ms)\n  1 failing\n\n  1) adds:\n     AssertionError\n", 5, 1),
        (CARGO, 4, 1),
        ("     Summary [   0.105s] 10 tests run: 9 passed, 1 failed, 0 skipped", 9, 1),
        ("10 examples, 2 failures, 1 pending", 7, 2),
        ("OK (5 tests, 10 assertions)", 5, 0),
        ("FAILURES!\nTests: 5, Assertions: 10, Failures: 1, Errors: 1.", 3, 2),
        ("Failed!  - Failed:     1, Passed:    10, Skipped:     2, Total:    13, Duration: 1 s", 10, 1),
        ("98% tests passed, 2 tests failed out of 100\n\nTotal Test time (real) =   0.10 sec", 98, 2),
        ("100% tests passed, 0 tests failed out of 7", 7, 0),
        (MAVEN, 6, 2),
        ("10 tests completed, 2 failed, 1 skipped", 7, 2),
        (" 5 pass\n 1 fail\n 10 expect() calls\nRan 6 tests across 1 file. [12.00ms]", 5, 1),
        (NODE, 4, 1),
        ("ok  \texample.com/a\t0.1s\nFAIL\texample.com/b\t0.2s", None, None),
        ("main.c:3: error: expected ';'\n2 errors generated.\nmake: *** [test] Error 1", None, None),
        ("", None, None),
        ("x" * 100_000, None, None),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_the_summary_of_a_run_tells_its_counts(text: str, passed: int | None, failed: int | None) -> None:
    """Each framework's last lines are read, with or without colours; others give no counts."""
    assert read_test_counts(text) == (passed, failed)


@pytest.mark.parametrize(
    "result",
    [
        {"tool_response": {"stdout": "2 passed in 0.1s", "stderr": "", "interrupted": False}},
        {"tool_response": {"stdout": "warming up", "stderr": "2 passed in 0.1s"}},
        {"tool_response": "2 passed in 0.1s\n"},
        {"tool_response": {"llmContent": "Output: 2 passed in 0.1s"}},
        {"tool_result": {"result_type": "success", "text_result_for_llm": "2 passed in 0.1s"}},
        {"tool_output": '{"output":"collected\\n2 passed in 0.1s\\n","exitCode":0}'},
        {"error": "Exit code 1\n2 passed in 0.1s"},
    ],
)
def test_the_counts_are_found_in_every_agents_result(result: dict[str, Any]) -> None:
    """The output is found in every agent's result; only the two numbers are recorded."""
    payload = {"tool_name": "Bash", "tool_input": {"command": "pytest"}, **result}
    assert read_tool_result(payload, KEY) == {
        "wrote": None,
        "test_framework": "pytest",
        "tests_passed": 2,
        "tests_failed": 0,
        "tests_skipped": 0,
        "tests_deselected": 0,
    }


@pytest.mark.parametrize(
    ("text", "framework", "skipped", "deselected"),
    [
        ("== 2 failed, 10 passed, 3 skipped, 40 deselected in 3.1s ==", "pytest", 3, 40),
        ("97 passed in 1.23s", "pytest", 0, 0),
        ("97 passed in 1.23s", "tox", None, None),
        ("test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 12 filtered out", "cargo", 1, 12),
        ("10 examples, 2 failures, 1 pending", "rspec", 1, None),
    ],
)
def test_tests_that_did_not_run_are_counted_where_they_are_reported(
    text: str, framework: str, skipped: int | None, deselected: int | None
) -> None:
    """Only of pytest no number means none; other frameworks may not report it at all."""
    counts = count_tests([text], framework)
    assert (counts.get("tests_skipped"), counts.get("tests_deselected")) == (skipped, deselected)


GO = """ok  \tacme/shop\t(cached)
ok  \tacme/shop/cart\t(cached)\tcoverage: 81.0% of statements
ok  \tacme/shop/till\t0.412s
--- FAIL: TestTax (0.00s)
FAIL
FAIL\tacme/shop/tax\t0.020s
FAIL\tacme/shop/mail [build failed]
?   \tacme/shop/docs\t[no test files]
FAIL
"""

BAZEL = """//shop:cart_test                             \x1b[0m(cached) \x1b[32mPASSED\x1b[0m in 0.3s
//shop:till_test                                      PASSED in 1.2s
//shop:tax_test                                       FAILED in 0.4s
//shop:mail_test                                      FLAKY, failed in 1 out of 2 in 0.5s
@tools//lint:lint_test                       (cached) PASSED in 0.1s
//shop:slow_test                            NO STATUS
//shop:new_test                       FAILED TO BUILD

Executed 3 out of 7 tests: 4 tests pass, 1 fails to build, 1 fails locally and 1 was skipped.
"""

GRADLE = """> Task :shop:compileTestJava UP-TO-DATE
> Task :shop:testClasses UP-TO-DATE
> Task :shop:test FROM-CACHE
> Task :till:test UP-TO-DATE
> Task :app:testDebugUnitTest
> Task :app:integrationTest FAILED

BUILD FAILED in 12s
"""

TURBO = """shop:test: cache hit, replaying logs 5d9c
 Tasks:    6 successful, 6 total
Cached:    4 cached, 6 total
  Time:    571ms
"""

NX = """ NX   Successfully ran target test for 5 projects (2s)

Nx read the output from the cache instead of running the command for 3 out of 5 tasks.
"""


@pytest.mark.parametrize(
    ("text", "parts", "cached"),
    [
        (GO, 4, 2),
        (BAZEL, 5, 2),
        (GRADLE, 4, 2),
        (TURBO, 6, 4),
        (NX, 5, 3),
        ("Cached:    0 cached, 2 total", 2, 0),
        ("ok 1 - adds\nok 2 - divides # (cached)\n1..2", None, None),
        ("Cached: many cached, 2 total", None, None),
        ("Cached:    3 cached, 2 total", None, None),
        ("Nx read the output from the cache", None, None),
        ("// a comment in Go\n@decorator in Python", None, None),
        ("97 passed in 1.23s", None, None),
        ("ok  \tacme\t(cached)" + " " * (1 << 20), None, None),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_parts_that_a_cache_answered_are_counted(text: str, parts: int | None, cached: int | None) -> None:
    """By each line of Go, Bazel and Gradle, by the sum of Nx and Turborepo; what has no result is no part."""
    counts = count_tests([text])
    assert (counts.get("test_parts"), counts.get("test_parts_cached")) == (parts, cached)


def test_a_run_without_counts_has_its_framework_alone() -> None:
    """Unreported counts are left out."""
    payload: dict[str, Any] = {
        "tool_name": "Bash",
        "tool_input": {"command": "go test ./..."},
        "tool_response": "ok",
    }
    assert read_tool_result(payload, KEY) == {"wrote": None, "test_framework": "go"}


class TestWhatWasWritten:
    def test_one_file_has_one_hash_however_it_is_named(self) -> None:
        """Absolute, relative, with dots, with either slash, by any tool: the same 16 hex digits."""
        hashes = {
            hash_written_paths("Write", {"file_path": "/src/app/a.py", "content": "x"}, "/elsewhere", KEY),
            hash_written_paths("Edit", {"file_path": "/src/./app//b/../a.py"}, None, KEY),
            hash_written_paths("write_file", {"file_path": "app/a.py"}, "/src", KEY),
            hash_written_paths(
                "str_replace_editor", {"command": "create", "path": "\\src\\app\\a.py"}, "/", KEY
            ),
            hash_written_paths(
                "apply_patch", {"input": "*** Begin Patch\n*** Update File: app/a.py\n@@\n"}, "/src/", KEY
            ),
        }
        (found,) = hashes
        assert found is not None
        assert len(found) == 16
        assert set(found) <= set("0123456789abcdef")

    def test_another_file_or_another_secret_is_another_hash(self) -> None:
        """Without the secret nobody can find the path by trial."""
        one = hash_written_paths("Write", {"file_path": "/a"}, None, KEY)
        assert one != hash_written_paths("Write", {"file_path": "/b"}, None, KEY)
        assert one != hash_written_paths("Write", {"file_path": "/a"}, None, b"other")
        assert hash_written_paths("Write", {"file_path": "/a"}, None, b"") is None

    def test_a_patch_writes_several_files(self) -> None:
        """Each file has a hash, in a fixed order, and at most as many as an attribute holds."""
        patch = "*** Begin Patch\n*** Add File: b\n+x\n*** Delete File: a\n*** Move to: c\n*** End Patch\n"
        found = hash_written_paths("apply_patch", {"command": patch}, "/src", KEY)
        each = {hash_written_paths("Write", {"file_path": f"/src/{name}"}, None, KEY) for name in "abc"}
        assert found is not None
        assert set(found.split()) == each
        assert found.split() == sorted(found.split())
        many = "*** Begin Patch\n" + "".join(f"*** Add File: f{n}\n" for n in range(50))
        assert len(hash_written_paths("ApplyPatch", {"patch": many}, "/src", KEY) or "") < 200

    @pytest.mark.parametrize(
        ("tool", "order", "cwd"),
        [
            ("Read", {"file_path": "/a"}, "/"),
            ("Write", {"file_path": "a"}, None),
            ("Write", {"file_path": 7}, "/"),
            ("Write", {}, "/"),
            ("Write", None, "/"),
            ("str_replace_editor", {"command": "view", "path": "/a"}, "/"),
            (None, {"file_path": "/a"}, "/"),
        ],
    )
    def test_what_writes_nothing_known_has_no_hash(self, tool: object, order: object, cwd: object) -> None:
        """A tool that only reads, a path that cannot be looked up, an input of another shape."""
        assert hash_written_paths(tool, order, cwd, KEY) is None


@pytest.mark.parametrize(
    ("tool", "order", "response", "new_files"),
    [
        ("Write", {}, {"type": "create", "filePath": "/a"}, 1),
        ("Write", {}, {"type": "update", "filePath": "/a"}, 0),
        ("Write", {}, {"type": "other"}, None),
        ("Write", {}, "File created successfully at: /a", None),
        ("Edit", {"old_string": "a", "new_string": "b"}, {}, 0),
        ("Edit", {"old_string": "", "new_string": "b"}, {}, None),
        ("NotebookEdit", {}, {}, 0),
        ("apply_patch", {"input": "*** Begin Patch\n*** Add File: a\n+x\n*** Update File: b\n"}, {}, 1),
        ("apply_patch", {"input": "*** Begin Patch\n*** Update File: b\n"}, {}, 0),
        ("write_file", {}, {"llmContent": "Successfully created and wrote to new file: /a."}, 1),
        ("write_file", {}, {"llmContent": "Successfully overwrote file: /a."}, 0),
        ("write_file", {}, {"llmContent": "Wrote file successfully."}, None),
        ("Create", {}, {}, None),
        ("Read", {}, {"type": "create"}, None),
    ],
)
def test_a_written_file_is_new_where_the_agent_says_so(
    tool: str, order: dict[str, Any], response: object, new_files: int | None
) -> None:
    """By the answer of the tool, by the patch, or because an edit needs a file; else it is not known."""
    order = {"file_path": "/a", **order} if tool != "apply_patch" else order
    payload = {"tool_name": tool, "tool_input": order, "tool_response": response, "cwd": "/"}
    found = read_tool_result(payload, KEY)
    assert found.get("new_files") == new_files
    # Without the secret there are no hashes, and a count alone would be of no file.
    assert "new_files" not in read_tool_result(payload, b"")


def test_the_client_and_this_file_know_the_same_tools() -> None:
    """The client loads the module for exactly the tools whose results it can read."""
    assert client.WORKING == work.SHELLS | work.WRITERS
