"""A served sandbox with a receiver of webhooks beside it, as a host application would have."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from sandbox.app import Sandbox, sandbox_app
from sandbox.clock import SandboxClock


@dataclass
class Served:
    url: str
    sandbox: Sandbox
    client: httpx.Client
    hooks: list[dict] = field(default_factory=list)
    hook_headers: list[dict] = field(default_factory=list)
    hook_status: int = 200
    hook_answer_headers: dict[str, str] = field(default_factory=dict)

    def control(self, path: str, **fields) -> httpx.Response:
        return self.client.post(f"/sandbox/{path}", json=fields)

    def until(self, claim: Callable[[], object]) -> None:
        until(claim)


@contextmanager
def serve(state_dir: Path | None = None, **settings) -> Iterator[Served]:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    sandbox = sandbox_app(
        base_url=url,
        webhooks_url=f"{url}/hooks",
        clock=SandboxClock(state_dir and state_dir / "clock.json"),
        state_dir=state_dir,
        **settings,
    )

    async def receive(request: Request) -> Response:
        served.hook_headers.append(dict(request.headers))
        served.hooks.append(await request.json())
        return Response(status_code=served.hook_status, headers=served.hook_answer_headers)

    routes = [Mount("/sandbox", sandbox.app), Route("/hooks/{name}/", receive, methods=["POST"])]
    host = Starlette(routes=routes, lifespan=lambda _app: sandbox.running())
    with (
        httpx.Client(base_url=url, trust_env=False, timeout=10) as client,
        listening(host, listener),
    ):
        served = Served(url, sandbox, client)
        yield served


@contextmanager
def listening(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Serves the application there, in a thread, with its lifespan."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def until(claim: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < deadline, "it did not happen in a minute"
        time.sleep(0.01)
