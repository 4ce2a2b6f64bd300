"""Pages that are files: HTML with scripts and styles of its own, and nothing from elsewhere."""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Route

KINDS: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def page_routes(path: str, folder: Path, policy: str) -> list[BaseRoute]:
    """
    `index.html` of the folder at `path/`, the files beside it below; each has a route of its own,
    so that no name from outside ever becomes a path. `policy` says what the page may do.
    """
    return [
        _route(f"{path}/{'' if file.name == 'index.html' else file.name}", file, policy)
        for file in sorted(folder.iterdir())
        if file.suffix in KINDS
    ]


def _route(path: str, file: Path, policy: str) -> BaseRoute:
    kind = f"{KINDS[file.suffix]}; charset=utf-8"
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}

    async def serve(_request: Request) -> FileResponse:
        return FileResponse(file, media_type=kind, headers=headers)

    return Route(path, serve, methods=["GET"])
