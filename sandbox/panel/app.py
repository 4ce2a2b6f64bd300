"""HTTP round the rules of an access panel: its API, a page of its users, and where links lead."""

from collections.abc import Sequence
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.controls import PAGE_HEADERS
from sandbox.deliveries import Notification
from sandbox.double import METHODS, Double, json_of
from sandbox.gateway_rules import Call, NoSuchThing
from sandbox.panel.rules import PanelRules


class PanelDouble(Double[Notification]):
    """Mount `routes`. It calls nobody, so there is nothing to keep running."""

    def __init__(self, rules: PanelRules, **options: Any) -> None:
        super().__init__("panel", rules, **options)
        self.rules = rules
        self.routes: list[BaseRoute] = [
            Route("/panel/", self._page, methods=["GET"]),
            Route("/panel/sub/{short_uuid}", self._link, methods=["GET"]),
            Route("/panel/api/{path:path}", self._api, methods=METHODS),
            Route("/panel/access/{customer}", self._ordered, methods=["PUT"]),
            *self.shared_controls(),
        ]

    def owed(self, _at: object) -> Sequence[Notification]:
        return ()

    async def _api(self, request: Request) -> Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        user = token if scheme == "Bearer" else None
        path = f"/{request.path_params['path']}"
        return await self._answer(Call(request.method, path, user, body=await json_of(request)))

    async def _ordered(self, request: Request) -> Response:
        """Proven by its signature, and then as good as by the token."""
        body, headers = await request.body(), dict(request.headers)
        is_ours = self.rules.is_signed(headers, body, self._now())
        path = f"/access/{request.path_params['customer']}"
        user = self.rules.token if is_ours else None
        return await self._answer(Call("PUT", path, user, body=await json_of(request)))

    async def _answer(self, call: Call) -> Response:
        answer = self.rules.answer(call, at=self._now())
        self.keep()
        return await self.told(answer)

    async def _page(self, _request: Request) -> Response:
        rows = "".join(
            f"<tr><td>{escape(who)}<td>{escape(', '.join(grants))}<td>{end:%Y-%m-%d %H:%M} UTC"
            for who, grants, end in self.rules.access(self._now())
        )
        page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Access panel</title>
<style>:root {{ color-scheme: light dark; }} body {{ max-width: 50rem; margin: 2rem auto;
  padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }} td, th {{ padding-right: 1.5rem;
  text-align: left; overflow-wrap: anywhere; }}</style></head>
<body><h1>Access panel</h1>
<table><tr><th>User<th>Access<th>Until{rows or "<tr><td colspan=3>nobody yet"}</table>
</body></html>"""
        return HTMLResponse(page, headers=PAGE_HEADERS)

    async def _link(self, request: Request) -> Response:
        try:
            user = self.rules.user_of(request.path_params["short_uuid"], self._now())
        except NoSuchThing:
            return HTMLResponse("No such link", 404, headers=PAGE_HEADERS)
        status = 200 if user["status"] == "ACTIVE" else 403
        said = f"{user['username']}: {user['status']} until {user['expireAt']}"
        return HTMLResponse(escape(said), status, headers=PAGE_HEADERS)
