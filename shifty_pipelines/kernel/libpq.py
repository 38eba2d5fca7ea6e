"""A database's address as libpq's environment variables, for programs that we start and that take no URL."""

from psycopg.pq import Conninfo
from sqlalchemy.engine import make_url

DEFAULT_PORT = "5432"


def libpq_environment(url: str) -> dict[str, str]:
    """PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE and what else the URL says, PGSSLMODE for example.

    Source: PostgreSQL documentation, "libpq: Environment Variables".
    """
    libpq_url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    options = Conninfo.parse(libpq_url.encode())
    given = {option.envvar.decode(): option.val.decode() for option in options if option.envvar and option.val}
    return {"PGPORT": DEFAULT_PORT, **given}
