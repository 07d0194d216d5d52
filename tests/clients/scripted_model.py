"""A scripted model: answers the requests of a coding agent with the steps of a script, on a loopback port.

It speaks OpenAI's Chat Completions and Responses, Gemini's generateContent and Anthropic's Messages, streamed
or not. A script has the rounds of the main agent and those of each subagent; a round is a list of steps, each
a text or a call of a tool. A request belongs to the subagent whose name its first user text gives (``SUBTASK
beta: …``), else to the main agent if it has the script's mark. Any other request (a title, a summary) is
answered with a word.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Step = dict[str, Any]
"""``{"text": …}`` or ``{"tool": name, "input": {…}}``, with ``namespace`` where the client has them."""

Round = list[Step] | Callable[[list[str]], list[Step]]
"""The steps of a round; or a function of the user's texts, which a model reads too."""

INPUT, CACHED, OUTPUT = 1123, 1000, 45
"""Tokens that each answer reports."""

_SUBTASK = re.compile(r"SUBTASK (\w+)")


@dataclass
class Script:
    """The rounds of the main agent and of each subagent."""

    main: Sequence[Round]
    subagents: Mapping[str, Sequence[Round]] = field(default_factory=dict)
    mark: str = "MAINJOB"
    """What the user's texts of a request have if it is of the main agent."""
    latency: float = 0.3
    """Seconds before each answer."""


class ScriptedModel:
    """The server; ``requests`` counts the answers from the script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._rounds: dict[str, int] = {}
        self._lock = threading.Lock()
        self.requests = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """The base address, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def choose_steps(self, texts: list[str]) -> list[Step]:
        """Return the steps of the round that a request asks for, by the user's texts in it."""
        name = _find_name(texts, self._script.mark)
        if name is None:
            return [{"text": "ok"}]
        rounds = self._script.main if name == "" else self._script.subagents.get(name, [])
        with self._lock:
            number = self._rounds.get(name, 0)
            self._rounds[name] = number + 1
            self.requests += 1
        time.sleep(self._script.latency)
        if number >= len(rounds):
            return [{"text": f"{name or 'all'} done"}]
        steps = rounds[number]
        return steps(texts) if callable(steps) else steps


def _find_name(texts: list[str], mark: str) -> str | None:
    """Return the subagent that a request comes from, empty for the main agent, None for anything else."""
    if any(mark in text for text in texts):
        return ""
    return next((match[1] for text in texts if (match := _SUBTASK.search(text))), None)


def _list_texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [str(part.get("text", "")) for part in content or [] if isinstance(part, dict)]


def _make_id(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex[:24]}"


def _make_handler(model: ScriptedModel) -> type[BaseHTTPRequestHandler]:  # noqa: C901  a class per server
    class Handler(BaseHTTPRequestHandler):
        """Answers one request by its path."""

        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Keep the run's output quiet."""

        def do_GET(self) -> None:
            """Answer a list of models."""
            names = ["m1", "gpt-5.2-codex", "gpt-5.4", "qwen3-coder-plus", "gemini-2.5-pro"]
            self._send(json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode())

        def do_POST(self) -> None:
            """Answer a request to the model."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = self._read_chunks()
            try:
                request = json.loads(body or b"{}")
            except ValueError:
                request = {}
            if "chat/completions" in self.path:
                self._answer_chat(request)
            elif "responses" in self.path:
                self._answer_responses(request)
            elif "count_tokens" in self.path:
                self._send(b'{"input_tokens": 1}')
            elif "v1/messages" in self.path:
                self._answer_messages(request)
            elif "generateContent" in self.path or "streamGenerateContent" in self.path:
                self._answer_gemini(request)
            else:
                self._send(b'{"totalTokens": 1}')

        def _read_chunks(self) -> bytes:
            data = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data

        def _answer_chat(self, request: dict[str, Any]) -> None:
            users = [entry for entry in request.get("messages", []) if entry.get("role") == "user"]
            texts = [text for entry in users for text in _list_texts(entry.get("content"))]
            chunks = list(make_chat_chunks(model.choose_steps(texts if request.get("tools") else [])))
            if request.get("stream"):
                self._send_events([json.dumps(chunk) for chunk in [*chunks]] + ["[DONE]"])
                return
            self._send(json.dumps(join_chat_chunks(chunks)).encode())

        def _answer_responses(self, request: dict[str, Any]) -> None:
            items = request.get("input") if isinstance(request.get("input"), list) else []
            users = [entry for entry in items or [] if entry.get("role") == "user"]
            texts = [text for entry in users for text in _list_texts(entry.get("content"))]
            steps = model.choose_steps(texts)
            self._send_events([json.dumps(event) for event in make_response_events(steps)], named=True)

        def _answer_messages(self, request: dict[str, Any]) -> None:
            users = [entry for entry in request.get("messages", []) if entry.get("role") == "user"]
            texts = [text for entry in users for text in _list_texts(entry.get("content"))]
            message = make_anthropic_message(model.choose_steps(texts if request.get("tools") else []))
            if request.get("stream"):
                events = [json.dumps(event) for event in make_anthropic_events(message)]
                self._send_events(events, named=True)
            else:
                self._send(json.dumps(message).encode())

        def _answer_gemini(self, request: dict[str, Any]) -> None:
            users = [entry for entry in request.get("contents", []) if entry.get("role") == "user"]
            texts = [text for entry in users for text in _list_texts(entry.get("parts"))]
            answer = make_gemini_answer(model.choose_steps(texts if request.get("tools") else []))
            if "stream" in self.path:
                self._send_events([json.dumps(answer)])
            else:
                self._send(json.dumps(answer).encode())

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _send_events(self, events: list[str], *, named: bool = False) -> None:
            head = [f"event: {json.loads(event)['type']}\n" if named else "" for event in events]
            text = "".join(f"{name}data: {event}\n\n" for name, event in zip(head, events, strict=True))
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def make_chat_chunks(steps: list[Step]) -> Iterator[dict[str, Any]]:
    """Yield the chunks of a streamed Chat Completions answer; the last one carries the tokens."""
    head = {"id": _make_id("chatcmpl-"), "object": "chat.completion.chunk", "created": 1, "model": "m1"}

    def make_chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield make_chunk({"role": "assistant", "content": ""})
    for step in steps:
        if "text" in step:
            yield make_chunk({"content": step["text"]})
    calls = [step for step in steps if "tool" in step]
    for index, step in enumerate(calls):
        function = {"name": step["tool"], "arguments": json.dumps(step["input"])}
        call = {"index": index, "id": _make_id("call_"), "type": "function", "function": function}
        yield make_chunk({"tool_calls": [call]})
    yield make_chunk({}, "tool_calls" if calls else "stop")
    usage = {
        "prompt_tokens": INPUT,
        "completion_tokens": OUTPUT,
        "total_tokens": INPUT + OUTPUT,
        "prompt_tokens_details": {"cached_tokens": CACHED},
    }
    yield {**head, "choices": [], "usage": usage}


def join_chat_chunks(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the answer that the chunks make together, for a client that does not stream."""
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(delta.get("content") or "" for delta in deltas),
    }
    if calls:
        message["tool_calls"] = [
            {name: value for name, value in call.items() if name != "index"} for call in calls
        ]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    return {**chunks[-1], "object": "chat.completion", "choices": [choice]}


def make_response_events(steps: list[Step]) -> Iterator[dict[str, Any]]:
    """Yield the events of a streamed answer of OpenAI's Responses."""
    response = {"id": _make_id("resp_"), "object": "response", "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": response}
    output = []
    for index, step in enumerate(steps):
        if "text" in step:
            item: dict[str, Any] = {
                "type": "message",
                "id": _make_id("msg_"),
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": step["text"], "annotations": []}],
            }
        else:
            item = {
                "type": "function_call",
                "id": _make_id("fc_"),
                "status": "completed",
                "call_id": _make_id("call_"),
                "name": step["tool"],
                "arguments": json.dumps(step["input"]),
            }
            if "namespace" in step:
                item["namespace"] = step["namespace"]
        output.append(item)
        yield {"type": "response.output_item.added", "output_index": index, "item": item}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    usage = {
        "input_tokens": INPUT,
        "input_tokens_details": {"cached_tokens": CACHED},
        "output_tokens": OUTPUT,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": INPUT + OUTPUT,
    }
    whole = {**response, "status": "completed", "output": output, "usage": usage}
    yield {"type": "response.completed", "response": whole}


def make_anthropic_message(steps: list[Step]) -> dict[str, Any]:
    """Return an answer of Anthropic's Messages."""
    content: list[dict[str, Any]] = [
        {"type": "text", "text": step["text"]}
        if "text" in step
        else {"type": "tool_use", "id": _make_id("toolu_"), "name": step["tool"], "input": step["input"]}
        for step in steps
    ]
    usage = {
        "input_tokens": INPUT - CACHED,
        "cache_read_input_tokens": CACHED,
        "cache_creation_input_tokens": 0,
        "output_tokens": OUTPUT,
    }
    return {
        "id": _make_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": content,
        "stop_reason": "tool_use" if any("tool" in step for step in steps) else "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }


def make_anthropic_events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events of a streamed answer of Anthropic's Messages."""
    usage = message["usage"]
    head = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": head}
    for index, block in enumerate(message["content"]):
        is_text = block["type"] == "text"
        empty = {**block, "text": ""} if is_text else {**block, "input": {}}
        delta = (
            {"type": "text_delta", "text": block["text"]}
            if is_text
            else {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        )
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": usage}
    yield {"type": "message_stop"}


def make_gemini_answer(steps: list[Step]) -> dict[str, Any]:
    """Return an answer of Gemini's generateContent."""
    parts: list[dict[str, Any]] = [
        {"text": step["text"]}
        if "text" in step
        else {"functionCall": {"name": step["tool"], "args": step["input"]}}
        for step in steps
    ]
    usage = {
        "promptTokenCount": INPUT,
        "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": OUTPUT - 5,
        "thoughtsTokenCount": 5,
        "totalTokenCount": INPUT + OUTPUT,
    }
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-pro",
    }
