"""What operations are told as: `/openapi.json` for machines and `/docs` for people."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from functools import cache

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from adapters.http.operations import Operation, openapi_document
from adapters.http.problems import status_of, title_of


def document_routes(
    operations: Sequence[Operation],
    *,
    title: str,
    version: str,
    security_schemes: Mapping[str, object],
) -> list[Route]:
    """`/openapi.json`, and `/docs` for people: rendered when first asked for, once."""

    @cache
    def document() -> str:
        told = openapi_document(
            operations, title=title, version=version, security_schemes=security_schemes
        )
        return json.dumps(told)

    @cache
    def page() -> str:
        return _docs_page(operations, f"{title} {version}")

    # The page takes nothing from elsewhere.
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'self'; style-src 'sha256-{digest}'; frame-ancestors 'none'"

    async def openapi(_: Request) -> Response:
        return Response(document(), media_type="application/json")

    async def docs(_: Request) -> Response:
        return HTMLResponse(page(), headers={"Content-Security-Policy": policy})

    return [Route("/openapi.json", openapi), Route("/docs", docs)]


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "summary{cursor:pointer;padding:.3rem 0}code,pre{font-size:.9em}"
    "pre{background:#8881;padding:.6rem;overflow:auto}table{border-collapse:collapse}"
    "td{border-top:1px solid #8884;padding:.2rem 1rem .2rem 0;vertical-align:top}"
)


def _docs_page(operations: Sequence[Operation], title: str) -> str:
    groups: dict[str, list[Operation]] = {}
    for operation in operations:
        groups.setdefault(operation.tags[0] if operation.tags else "other", []).append(operation)
    sections = "".join(
        f"<h2>{html.escape(tag)}</h2>{''.join(map(_docs_entry, group))}"
        for tag, group in groups.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{html.escape(title)}</h1>"
        '<p>The same for machines: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{sections}</body></html>"
    )


def _docs_entry(operation: Operation) -> str:
    parts = {"Path": operation.params, "Query": operation.query}
    parts |= {"Headers": operation.headers, "Body": operation.body}
    parts |= {f"Answer {status}": model for status, model in operation.responses.items()}
    schemas = "".join(
        f"<h4>{name}</h4><pre>{html.escape(json.dumps(model.model_json_schema(), indent=1))}</pre>"
        for name, model in parts.items()
        if model
    )
    errors = "".join(
        f'<tr><td>{status_of(kind)}<td><a href="/problems/{kind.code}"><code>{kind.code}</code></a>'
        f"<td>{html.escape(title_of(kind))}"
        for kind in sorted(operation.all_errors(), key=status_of)
    )
    return (
        f"<details><summary><code>{operation.method} {html.escape(operation.path)}</code> "
        f"{html.escape(operation.summary)}</summary>{schemas}<table>{errors}</table></details>"
    )
