"""Logs: structured lines, for people in development and for machines elsewhere."""

import logging
import sys

import structlog


def configure_logs(level: str, *, for_people: bool) -> None:
    """
    Everything goes to standard error. Libraries speak from warnings upwards: some of them log
    whole addresses, and those of a bot carry its token.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if for_people
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", force=True
    )
    # What it cannot read it logs whole, with people's names and words; the error comes to us anyway.
    logging.getLogger("telegram").setLevel(logging.CRITICAL + 1)
