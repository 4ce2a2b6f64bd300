"""
The seal on the books, kept by the database itself: an entry's postings are written first and its
entry row seals them. From then on nothing of it can be added, changed or removed.

These texts are part of the released migrations: a change is a new text in a new revision.
"""

from typing import Final

from sqlalchemy import Connection

_UNBALANCED: Final = """
    (SELECT count(*) FROM posting WHERE entry_id = NEW.id) < 2
    OR EXISTS (
        SELECT 1 FROM posting WHERE entry_id = NEW.id GROUP BY currency HAVING sum(amount_minor) <> 0
    )
"""

# Lines are numbered without gaps, so that a second unit cannot slip a line under an entry that
# it does not see yet: line 1 collides with the primary key, and any other line needs its
# predecessor to be visible, and then the entry is visible too.
_OUT_OF_LINE: Final = """
    NEW.line_no > 1 AND NOT EXISTS (
        SELECT 1 FROM posting WHERE entry_id = NEW.entry_id AND line_no = NEW.line_no - 1
    )
"""

_SQLITE: Final = (
    f"""
    CREATE TRIGGER posting_in_line BEFORE INSERT ON posting BEGIN
        SELECT RAISE(ABORT, 'the entry is sealed')
            WHERE EXISTS (SELECT 1 FROM entry WHERE id = NEW.entry_id);
        SELECT RAISE(ABORT, 'the lines of an entry are numbered from 1') WHERE {_OUT_OF_LINE};
    END
    """,  # noqa: S608 - Made of the constants above.
    f"""
    CREATE TRIGGER entry_balanced BEFORE INSERT ON entry BEGIN
        SELECT RAISE(ABORT, 'the entry is sealed')
            WHERE EXISTS (SELECT 1 FROM entry WHERE id = NEW.id);
        SELECT RAISE(ABORT, 'the entry does not balance') WHERE {_UNBALANCED};
    END
    """,  # noqa: S608
    *(
        f"""
        CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} BEGIN
            SELECT RAISE(ABORT, 'the books are append only');
        END
        """
        for table in ("posting", "entry")
        for verb in ("update", "delete")
    ),
)

_POSTGRESQL: Final = (
    f"""
    CREATE FUNCTION posting_in_line() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM entry WHERE id = NEW.entry_id) THEN
            RAISE restrict_violation USING MESSAGE = 'the entry is sealed';
        END IF;
        IF {_OUT_OF_LINE} THEN
            RAISE restrict_violation
                USING MESSAGE = 'the lines of an entry are numbered from 1';
        END IF;
        RETURN NEW;
    END $$
    """,  # noqa: S608
    f"""
    CREATE FUNCTION entry_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF {_UNBALANCED} THEN
            RAISE restrict_violation USING MESSAGE = 'the entry does not balance';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION books_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE restrict_violation USING MESSAGE = 'the books are append only';
    END $$
    """,
    """
    CREATE TRIGGER posting_in_line BEFORE INSERT ON posting
        FOR EACH ROW EXECUTE FUNCTION posting_in_line()
    """,
    """
    CREATE TRIGGER entry_balanced BEFORE INSERT ON entry
        FOR EACH ROW EXECUTE FUNCTION entry_balanced()
    """,
    *(
        f"""
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION books_append_only()
        """
        for table in ("posting", "entry")
    ),
)

SEALING: Final = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}
"""By the name of the dialect: the statements that put the seal on a database with its tables."""


def seal(connection: Connection) -> None:
    """Put the seal on. The tables are there."""
    for statement in SEALING[connection.dialect.name]:
        connection.exec_driver_sql(statement)
