"""The bare limit: the least that a Python web server does to count one use in PostgreSQL.

`python -m bench.bare URL PORT` answers the same requests as ours, and promises nothing: no key,
no quota, no repeat is known.
"""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

POOL: Final = 20
"""As many connections as ours has."""

TABLES: Final = """
    CREATE TABLE bare_usage (
        customer text, feature text, day date, used bigint NOT NULL,
        PRIMARY KEY (customer, feature, day)
    );
    CREATE TABLE bare_line (id bigserial PRIMARY KEY, note text NOT NULL);
    INSERT INTO bare_usage (customer, feature, day, used)
        SELECT concat('customer ', number), 'photo_ai', CURRENT_DATE, 0
        FROM generate_series(0, 199) AS number
"""

UPSERT: Final = """
    INSERT INTO bare_usage (customer, feature, day, used) VALUES ($1, $2, CURRENT_DATE, $3)
    ON CONFLICT (customer, feature, day) DO UPDATE SET used = bare_usage.used + excluded.used
    RETURNING used
"""


def bare_app(url: str) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        async with asyncpg.create_pool(url, min_size=POOL, max_size=POOL) as pool:
            yield {"pool": pool}

    path = "/api/v1/billing/customers/{ref}/usage/{feature}/consume/"
    return Starlette(routes=[Route(path, consume, methods=["POST"])], lifespan=lifespan)


async def consume(request: Request) -> Response:
    body = await request.json()
    where = request.path_params
    used = await request.state.pool.fetchval(UPSERT, where["ref"], where["feature"], body["amount"])
    return JSONResponse({"used": used})


def main() -> None:
    url, port = sys.argv[1:]
    uvicorn.run(
        bare_app(url),
        port=int(port),
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main()
