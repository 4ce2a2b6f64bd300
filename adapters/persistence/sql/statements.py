"""One connection's statements: run in its transaction, their failures told in our words."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import CursorResult, Executable, FunctionElement, Row, Table, Text, exc, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from adapters.persistence.sql.data_key import DataKey
from adapters.persistence.sql.plan_shelf import PlanShelf
from core.domain.cause import StoreBusy
from core.domain.errors import BillingError
from core.ports.unit_of_work import SavedMeanwhile
