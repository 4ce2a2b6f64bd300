"""An operation is declared once; routes, validation and documentation follow from it."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Annotated, Final

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from pydantic_core import ErrorDetails
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from adapters.http.json_reader import (
    BodyNotJson,
    BodyTooLarge,
    MediaTypeNotSupported,
    is_storable,
    read_json,
)
from adapters.http.problems import (
    PROBLEM_JSON,
    FieldsNotValid,
    HeadersNotValid,
    PathNotFound,
    status_of,
    title_of,
)
from adapters.http.tokens import TokenNotValid
from core.domain.cause import StoreBusy
from core.domain.errors import BillingError
from core.ports.unit_of_work import SavedMeanwhile

FAULTS_MAX: Final = 20
REPEATS_AFTER_SECONDS: Final = (0.01, 0.05, 0.2)
QUERY_FIELDS_MAX: Final = 64
_REFS = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"{(\w+)}")
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
# Python reads "1_000", " 1 " and "+1" as numbers too, and pydantic reads "yes" as true.
_PLAIN_TEXTS = {
    "integer": re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII),
    "boolean": re.compile("true|false"),
}


class Closed(BaseModel):
    """What a client sends: nothing but what is declared. Models within it are closed as well."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _moment(value: object) -> object:
    # By our own form: to pydantic a text of digits would be seconds since 1970.
    if not isinstance(value, str):
        return value
    if not _RFC3339.fullmatch(value):
        raise ValueError("not an RFC 3339 time with its offset")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("beyond the calendar") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
"""A time in a body or a query: RFC 3339 with an offset, kept and told in UTC."""

Answer = BaseModel | tuple[int, BaseModel | None] | Response | None
Fault = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """
    `endpoint` is called with the request and, by keyword, with each of `params` (the path's),
    `query`, `headers` and `body` that has a model (a body may stay away if nothing in it is
    required). Its name is the operation's id. It returns a
    model (sent with the first status of `responses`), a status with a model or None, or a Response.

    `first` is awaited once, before anything is read. `security` lists ways to be known; a way
    of several parts needs all of them.

    Query and header models hold plain values; a header's alias is its name. `errors` are what the
    endpoint itself may answer; what follows from the declared parts is added. `leads_to` names
    the operations whose path needs no more than this one's and the id of what it answers.
    """

    method: str
    path: str
    endpoint: Callable[..., Awaitable[Answer]]
    summary: str
    responses: Mapping[int, type[BaseModel] | None]
    tags: tuple[str, ...] = ()
    params: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    headers: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    security: tuple[str | tuple[str, ...], ...] = ()
    first: Callable[[Request], Awaitable[None]] | None = None
    errors: tuple[type[BillingError], ...] = field(default=())
    leads_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        declared = set() if self.params is None else set(self.params.model_fields)
        assert set(_PARAMETER.findall(self.path)) == declared, self.path
        assert self.query is None or _is_closed(self.query), self.path
        assert self.body is None or _is_closed(self.body), self.path

    @property
    def name(self) -> str:
        return str(getattr(self.endpoint, "__name__", ""))

    def all_errors(self) -> tuple[type[BillingError], ...]:
        found = list(self.errors)
        if self.security:
            found.append(TokenNotValid)
        if self.params:
            found.append(PathNotFound)
        if self.headers:
            found.append(HeadersNotValid)
        if self.query or self.body:
            found.append(FieldsNotValid)
        if self.body:
            found += [BodyNotJson, BodyTooLarge, MediaTypeNotSupported]
        return tuple(dict.fromkeys(found))


def routes(operations: Iterable[Operation]) -> list[Route]:
    """
    Every path with and without its trailing slash, named paths before those with parameters.
    One route holds all methods of a path, so that the Allow header of a 405 is whole.
    """
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        methods = by_path.setdefault(operation.path, {})
        assert operation.method not in methods, f"{operation.method} {operation.path} is there"
        methods[operation.method] = operation
    shapes = {_PARAMETER.sub("{}", path.rstrip("/")) for path in by_path}
    assert len(shapes) == len(by_path), "two spellings of one path"
    named_first = sorted(by_path, key=lambda path: [part[:1] == "{" for part in path.split("/")])
    return [_EitherSpelling(path, by_path[path]) for path in named_first]


class _EitherSpelling(Route):
    """
    One route for a path with and without its trailing slash: half as many to try in vain. The
    path alone decides, else the wrong method at a named path would be tried as somebody's id.
    """

    def __init__(self, path: str, methods: Mapping[str, Operation]) -> None:
        super().__init__(path.rstrip("/") + "/", _endpoint(methods), methods=list(methods))
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("/$") + "/?$")

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        return (Match.NONE if match is Match.NONE else Match.FULL), child


def _endpoint(methods: Mapping[str, Operation]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        # Starlette lets HEAD in wherever GET is.
        operation = methods["GET" if request.method == "HEAD" else request.method]
        if operation.first is not None:
            await operation.first(request)
        given = await _validated(operation, request)
        return _response(operation, await _answered(operation, request, given))

    return endpoint


async def _answered(
    operation: Operation, request: Request, given: Mapping[str, BaseModel]
) -> Answer:
    """
    A unit that lost a race wrote nothing, and every use case may be repeated: so it is, a little
    later each time, before the client is told to do it.
    """
    for pause_seconds in REPEATS_AFTER_SECONDS:
        try:
            return await operation.endpoint(request, **given)
        except (SavedMeanwhile, StoreBusy):
            await asyncio.sleep(pause_seconds)
    return await operation.endpoint(request, **given)


async def _validated(operation: Operation, request: Request) -> dict[str, BaseModel]:
    given: dict[str, BaseModel] = {}
    faults: list[Fault] = []
    if operation.params:
        try:
            texts = {name: [value] for name, value in request.path_params.items()}
            given["params"] = _from_texts("path", operation.params, texts)
        except FieldsNotValid as error:
            # An id that cannot be is not found, like one that is not.
            raise PathNotFound from error
    if operation.headers:
        names = [each.alias or name for name, each in operation.headers.model_fields.items()]
        texts = {name: request.headers.getlist(name) for name in names if name in request.headers}
        try:
            given["headers"] = _from_texts("header", operation.headers, texts)
        except FieldsNotValid as error:
            raise HeadersNotValid(error.errors) from error
    if operation.query:
        try:
            given["query"] = _from_texts("query", operation.query, _query_texts(request))
        except FieldsNotValid as error:
            faults += error.errors
    if operation.body:
        # Read by our reader, then judged as JSON: only so does pydantic take a text for a time
        # and yet no text for a number.
        text = json.dumps(await read_json(request, may_be_empty=_may_be_empty(operation.body)))
        try:
            given["body"] = operation.body.model_validate_json(text, strict=True)
        except ValidationError as error:
            faults += _faults("body", error)
    if faults:
        raise FieldsNotValid(faults[:FAULTS_MAX])
    return given


def _query_texts(request: Request) -> dict[str, list[str]]:
    items = request.query_params.multi_items()
    if len(items) > QUERY_FIELDS_MAX:
        raise FieldsNotValid([_fault("query", "", f"more than {QUERY_FIELDS_MAX} fields")])
    texts: dict[str, list[str]] = {}
    for name, value in items:
        texts.setdefault(name, []).append(value)
    return texts


def _from_texts(
    where: str, model: type[BaseModel], texts: Mapping[str, Sequence[str]]
) -> BaseModel:
    """Raises FieldsNotValid, wherever it reads from; the caller tells what that is worth."""
    faults = []
    forms = _plain_forms(model)
    for name, values in texts.items():
        if len(values) != 1:
            faults.append(_fault(where, name, "given more than once"))
        elif not is_storable(values[0]):
            faults.append(_fault(where, name, "holds characters that cannot be kept"))
        elif name in forms and not forms[name].fullmatch(values[0]):
            faults.append(_fault(where, name, f"must match {forms[name].pattern}"))
    if faults:
        raise FieldsNotValid(faults)
    try:
        return model.model_validate_strings(
            {name: values[0] for name, values in texts.items()}, strict=True
        )
    except ValidationError as error:
        raise FieldsNotValid(_faults(where, error)) from error


@cache
def _plain_forms(model: type[BaseModel]) -> Mapping[str, re.Pattern[str]]:
    properties = model.model_json_schema().get("properties", {})
    types = {name: _without_null(schema).get("type") for name, schema in properties.items()}
    return {name: _PLAIN_TEXTS[kind] for name, kind in types.items() if kind in _PLAIN_TEXTS}


def _faults(where: str, error: ValidationError) -> list[Fault]:
    details = error.errors(include_url=False, include_input=False)[:FAULTS_MAX]
    return [_fault(where, ".".join(map(str, each["loc"])), _why(each)) for each in details]


def _fault(where: str, name: str, why: str) -> Fault:
    """A field's name may be the stranger's own; of it no more is said back than this."""
    return {"in": where, "field": name[:48], "why": why[:200]}


def _why(details: ErrorDetails) -> str:
    # The one message of pydantic that repeats what was sent.
    if details["type"] == "union_tag_invalid":
        return f"expected one of {details['ctx']['expected_tags']}"
    return details["msg"]


def _response(operation: Operation, answer: Answer) -> Response:
    if isinstance(answer, Response):
        return answer
    first = next(iter(operation.responses))
    status, model = answer if isinstance(answer, tuple) else (first, answer)
    declared = operation.responses[status]
    promise = f"what {operation.name} declares for {status}"
    if model is None:
        assert declared is None, promise
        return Response(status_code=status)
    assert declared is not None, promise
    assert isinstance(model, declared), promise
    return Response(model.model_dump_json(by_alias=True), status, media_type="application/json")


def openapi_document(
    operations: Sequence[Operation],
    *,
    title: str,
    version: str,
    security_schemes: Mapping[str, object],
) -> dict[str, object]:
    """OpenAPI 3.1, from what validates. Paths are told as declared; both spellings answer."""
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {}
    for operation in operations:
        if operation.body:
            wanted[operation.body, "validation"] = None
        for model in operation.responses.values():
            if model:
                wanted[model, "serialization"] = None
    references, definitions = models_json_schema(list(wanted), ref_template=_REFS)
    schemas = {"Problem": _PROBLEM, **definitions.get("$defs", {})}
    paths: dict[str, dict[str, object]] = {}
    by_name = {operation.name: operation for operation in operations}
    for operation in operations:
        told: dict[str, object] = {
            "operationId": operation.name,
            "summary": operation.summary,
            "tags": list(operation.tags),
            "parameters": _parameters(operation, schemas),
            "responses": {
                str(status): {"description": HTTPStatus(status).phrase}
                | ({"content": _content(references[model, "serialization"])} if model else {})
                | _links(operation, by_name)
                for status, model in operation.responses.items()
            }
            | _problem_responses(operation),
        }
        if operation.body:
            content = _content(references[operation.body, "validation"])
            required = not _may_be_empty(operation.body)
            told["requestBody"] = {"required": required, "content": content}
        if operation.security:
            told["security"] = [
                {name: [] for name in ([way] if isinstance(way, str) else way)}
                for way in operation.security
            ]
        paths.setdefault(operation.path, {})[operation.method.lower()] = told
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": dict(security_schemes)},
    }


def _links(operation: Operation, by_name: Mapping[str, Operation]) -> dict[str, object]:
    """How a client goes on from an answer."""
    own = _PARAMETER.findall(operation.path)
    links = {
        name: {
            "operationId": name,
            "parameters": {
                each: f"$request.path.{each}" if each in own else "$response.body#/id"
                for each in _PARAMETER.findall(by_name[name].path)
            },
        }
        for name in operation.leads_to
    }
    return {"links": links} if links else {}


def _parameters(operation: Operation, schemas: dict[str, object]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for where, model in (
        ("path", operation.params),
        ("query", operation.query),
        ("header", operation.headers),
    ):
        if model is None:
            continue
        schema = model.model_json_schema(ref_template=_REFS)
        schemas |= schema.get("$defs", {})
        found += [
            {
                "name": name,
                "in": where,
                "required": name in schema.get("required", []),
                "schema": _without_null(told),
            }
            for name, told in schema.get("properties", {}).items()
        ]
    return found


def _without_null(schema: Mapping[str, object]) -> dict[str, object]:
    """An absent parameter is absent; there is no way to send null in a query."""
    kept = dict(schema)
    choices = kept.pop("anyOf", None)
    if not isinstance(choices, list):
        return kept
    kept = {name: value for name, value in kept.items() if value is not None}
    choices = [choice for choice in choices if choice != {"type": "null"}]
    return {**kept, **choices[0]} if len(choices) == 1 else {**kept, "anyOf": choices}


def _problem_responses(operation: Operation) -> dict[str, object]:
    by_status: dict[int, list[type[BillingError]]] = {}
    for kind in operation.all_errors():
        by_status.setdefault(status_of(kind), []).append(kind)
    found: dict[str, object] = {}
    for status, kinds in sorted(by_status.items()):
        codes = {"properties": {"code": {"enum": [kind.code for kind in kinds]}}}
        schema = {"allOf": [{"$ref": _REFS.format(model="Problem")}, codes]}
        found[str(status)] = {
            "description": " ".join(title_of(kind) for kind in kinds),
            "content": _content(schema, PROBLEM_JSON),
        }
    return found


def _content(schema: Mapping[str, object], media_type: str = "application/json") -> object:
    return {media_type: {"schema": schema}}


_PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457. The facts of the refusal are further members.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
    },
    "required": ["type", "title", "status", "code", "request_id"],
}


def _may_be_empty(body: type[BaseModel]) -> bool:
    return not any(each.is_required() for each in body.model_fields.values())


def _is_closed(model: type[BaseModel]) -> bool:
    schema = model.model_json_schema()
    objects = [each for each in (schema, *schema.get("$defs", {}).values()) if "properties" in each]
    return all(each.get("additionalProperties") is False for each in objects)
