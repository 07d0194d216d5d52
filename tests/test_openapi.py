"""The description of the API is that of the routes, and the running service answers as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from stretto.web import live_updates
from stretto.web.app import list_api_routes
from tests.web_page import full
from tests.web_served import Store, served

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A real server over a store with sessions."""
    store = Store(tmp_path_factory.mktemp("store"))
    full(store)
    store.refresh()
    with served(store.make_backend()) as client:
        yield client


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    """The description that the server gives of itself."""
    answer: dict[str, Any] = client.get("/api/openapi.json").json()
    return answer


def list_operations(document: dict[str, Any], method: str) -> list[tuple[str, dict[str, Any]]]:
    """Return (path, operation) of a method, without the stream that never ends."""
    return [
        (path, operations[method])
        for path, operations in document["paths"].items()
        if method in operations and path != live_updates.PATH
    ]


def fill_names(path: str, name: str) -> str:
    """Return a path with a name in the place of each variable."""
    return re.sub(r"\{\w+\}", lambda _: name, path)


def check_answer(document: dict[str, Any], operation: dict[str, Any], answer: httpx.Response) -> None:
    """Compare an answer with what the operation says of its status: type, and schema."""
    described = operation["responses"].get(str(answer.status_code), operation["responses"]["default"])
    [(media, content)] = described["content"].items()
    assert answer.headers["content-type"].partition(";")[0] == media
    schema = {**content["schema"], "components": document["components"]}
    Draft202012Validator(schema).validate(answer.json())


def test_the_document_is_one_of_openapi(document: dict[str, Any]) -> None:
    """It names its version and license, and every operation has an id of its own and a sentence."""
    assert document["openapi"] == "3.1.0"
    operations = [op for path in document["paths"].values() for op in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(
        operation["summary"].endswith((".", ";", ",")) or operation["summary"] for operation in operations
    )
    assert all(operation["responses"] for operation in operations)


def test_every_route_is_described(document: dict[str, Any], tmp_path: Path) -> None:
    """A new route below /api/ appears by itself, with its methods."""
    routes = list_api_routes(Store(tmp_path).make_backend())
    wanted = {(route.path.replace(":path", ""), method) for route in routes for method in route.methods or ()}
    described = {(path, method.upper()) for path, ops in document["paths"].items() for method in ops}
    assert {(path, method) for path, method in wanted if method != "HEAD"} <= described


def test_the_committed_document_is_that_of_the_service(document: dict[str, Any]) -> None:
    """docs/openapi.json differs in nothing but the version: make docs."""
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    committed["info"]["version"] = document["info"]["version"]
    assert committed == document


def test_every_get_answers_as_described(client: httpx.Client, document: dict[str, Any]) -> None:
    """With names that exist and names that do not, status, type and schema are those of the document."""
    for path, operation in list_operations(document, "get"):
        for name in ("together", "no such", "a/b", "%00"):
            answer = client.get(fill_names(path, name))
            assert answer.status_code in {200, 400, 404, 409, 422, 503}, path
            check_answer(document, operation, answer)


@settings(
    max_examples=25,
    deadline=None,
    # A busy machine draws slowly, which is no fault.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_query_breaks_the_service(
    client: httpx.Client, document: dict[str, Any], data: st.DataObject
) -> None:
    """Whatever a parameter holds, the answer is the described one or a described refusal, never a fault."""
    asked = [(path, op) for path, op in list_operations(document, "get") if "in" in str(op.get("parameters"))]
    path, operation = data.draw(st.sampled_from(asked))
    names = [p["name"] for p in operation["parameters"] if p["in"] == "query"] + ["unknown"]
    values = st.text(max_size=8) | st.sampled_from(["24h", "yes", "success", "-last", "2026-11-20", "5"])
    query = data.draw(st.dictionaries(st.sampled_from(names), values, max_size=3))

    answer = client.get(fill_names(path, "together"), params=query)

    assert answer.status_code < 500
    check_answer(document, operation, answer)


def test_every_described_value_is_accepted(client: httpx.Client, document: dict[str, Any]) -> None:
    """Each value that a parameter lists is taken, and a parameter that is not listed is refused."""
    for path, operation in list_operations(document, "get"):
        listed = [p for p in operation.get("parameters", ()) if p["in"] == "query"]
        for parameter in listed:
            for value in parameter["schema"].get("enum", ()):
                answer = client.get(fill_names(path, "current-fps"), params={parameter["name"]: value})
                assert answer.status_code == 200, (path, value)
        if listed:
            asked = client.get(fill_names(path, "together"), params={"no-such": "1"})
            assert asked.status_code in {400, 404}


def test_every_post_refuses_what_is_no_json(client: httpx.Client, document: dict[str, Any]) -> None:
    """A body that cannot be read is refused with the described error."""
    for path, operation in list_operations(document, "post"):
        answer = client.post(path, content=b"\xff{")
        if answer.status_code >= 300:
            assert answer.status_code in {400, 409, 415, 422}, (path, answer.status_code)
            check_answer(document, operation, answer)
