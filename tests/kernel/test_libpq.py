import psycopg
import pytest

from shifty_pipelines.kernel.libpq import libpq_environment


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        pytest.param(
            "postgresql+psycopg://shifty_dbt:p%40ss@db.example/platform?sslmode=verify-full&sslrootcert=/ca.pem",
            {
                "PGHOST": "db.example",
                "PGPORT": "5432",
                "PGUSER": "shifty_dbt",
                "PGPASSWORD": "p@ss",
                "PGDATABASE": "platform",
                "PGSSLMODE": "verify-full",
                "PGSSLROOTCERT": "/ca.pem",
            },
            id="network",
        ),
        pytest.param(
            "postgresql+psycopg://shifty_dbt:secret@/platform?host=%2Frun%2Fsockets&port=5433",
            {
                "PGHOST": "/run/sockets",
                "PGPORT": "5433",
                "PGUSER": "shifty_dbt",
                "PGPASSWORD": "secret",
                "PGDATABASE": "platform",
            },
            id="socket",
        ),
    ],
)
def test_a_url_becomes_the_variables_of_libpqs_manual(url: str, environment: dict[str, str]) -> None:
    assert libpq_environment(url) == environment


def test_an_option_that_libpq_does_not_know_is_refused() -> None:
    with pytest.raises(psycopg.Error):
        libpq_environment("postgresql://shifty_dbt@db.example/platform?sslmodus=none")
