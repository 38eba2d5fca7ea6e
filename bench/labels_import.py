"""Importing 74,160 labels of 3,708 texts: seconds, labels a second, memory; beside a COPY of the same rows.

Claims (exit 1 when one is missed):
- `shifty labels import` takes at most 30 s into an empty tenant;
- its memory grows by at most 150 MB;
- run again it changes nothing, in as little time.

The rows are 20 ratings of each of 3,708 review snippets (Hutto & Gilbert, ICWSM-14) or, where they are absent,
generated ones of the same shape. The limit beside it is PostgreSQL's COPY of the very rows that the import left, into
plain tables without index, key or row-level security, on the same server in the same run.
"""

import csv
import io
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import psycopg

from shifty_pipelines.bootstrap import Platform, build_platform
from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.curation.domain.import_rows import ItemColumns, LabelColumns
from shifty_pipelines.contexts.curation.domain.row_rejections import Rejection
from shifty_pipelines.contexts.tenancy.domain import NewTenant
from shifty_pipelines.flows.entrance import found_tenant
from shifty_pipelines.flows.import_labels import ImportSummary, LabelImport, import_labels
from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres
from shifty_pipelines.kernel.provisioning import provision
from shifty_pipelines.kernel.tenant import TenantId
from shifty_pipelines.settings import Settings

SEED = 0
ITEMS, RATINGS_PER_ITEM = 3_708, 20
LABELS = ITEMS * RATINGS_PER_ITEM
RATINGS = [str(rating) for rating in range(-4, 5)]
TIME_LIMIT_S = 30.0
MEMORY_LIMIT_MB = 150.0


class Discarded:
    """A report that nobody reads; the rows of this bench are all good."""

    def add(self, file_name: str, rejection: Rejection) -> None:
        raise AssertionError(f"{file_name}:{rejection.row} {rejection.reason}")


def ratings_folder() -> Path | None:
    """`shared/data/ratings` beside the checkout or further up; None where it is not there."""
    candidates = (parent / "shared" / "data" / "ratings" for parent in Path(__file__).resolve().parents)
    return next((folder for folder in candidates if folder.is_dir()), None)


def generate(folder: Path) -> Path:
    """Files of the same names, columns and sizes, about random words."""
    rng = np.random.default_rng(SEED)
    words = np.array(["screen", "battery", "works", "great", "broken", "the", "a", "support", "never", "again"])
    with (folder / "reviews.items.csv").open("w", newline="") as items:
        writer = csv.writer(items)
        writer.writerow(["item", "mean_rating", "text"])
        writer.writerows([n, 0, " ".join(rng.choice(words, 15)) + f" {n}"] for n in range(ITEMS))
    with (folder / "reviews.ratings.csv").open("w", newline="") as ratings:
        writer = csv.writer(ratings)
        writer.writerow(["item", "rater_slot", "rating"])
        for n in range(ITEMS):
            given = rng.integers(-4, 5, RATINGS_PER_ITEM)
            writer.writerows([n, f"r{slot:02}", rating] for slot, rating in enumerate(given))
    return folder


def run_import(shifty: Platform, tenant_id: TenantId, folder: Path) -> ImportSummary:
    order = LabelImport(
        tenant_id=tenant_id,
        mission_type=MissionType.RATE_TEST_QUALITY,
        source="reviews",
        item_columns=ItemColumns(item="item", text="text"),
        label_columns=LabelColumns(label="rating", labeler_column="rater_slot"),
        labels=RATINGS,
    )
    return import_labels(
        shifty,
        order,
        shifty.row_files.open(folder / "reviews.ratings.csv"),
        items_file=shifty.row_files.open(folder / "reviews.items.csv"),
        report=Discarded(),
    )


def copy_s(home: Path) -> float:
    """Seconds to COPY what the import left into two plain tables."""
    address = EmbeddedPostgres(home).start()
    host, password = str(address.socket_dir), address.password
    with psycopg.connect(
        host=host, port=address.port, user=address.user, password=password, dbname="shifty_platform"
    ) as connection:
        took_s = 0.0
        for table in ("items", "label_events"):
            rows = io.BytesIO()
            with connection.cursor().copy(f"COPY {table} TO STDOUT") as out:
                for piece in out:
                    rows.write(piece)
            began = time.perf_counter()
            connection.execute(f"CREATE TABLE plain_{table} AS TABLE {table} WITH NO DATA")
            with connection.cursor().copy(f"COPY plain_{table} FROM STDIN") as into:
                into.write(rows.getvalue())
            connection.commit()
            took_s += time.perf_counter() - began
        return took_s


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes on Linux


def measure(home: Path, folder: Path) -> bool:
    provision(home, None)
    shifty = build_platform(Settings(home=home, database_url=None))
    tenant_id = TenantId(found_tenant(shifty, NewTenant(name="Bench", slug="bench"), None).tenant.tenant_id)
    before_mb = psutil.Process().memory_info().rss / 2**20
    began_cpu_s = time.process_time()
    first = run_import(shifty, tenant_id, folder)
    cpu_s = time.process_time() - began_cpu_s
    grown_mb = peak_mb() - before_mb
    again = run_import(shifty, tenant_id, folder)
    shifty.dispose()
    limit_s = copy_s(home)
    print(f"{'':24}{'seconds':>9}{'labels/s':>10}{'of the limit':>14}")
    print(f"{'shifty labels import':24}{first.took_s:9.2f}{LABELS / first.took_s:10.0f}{first.took_s / limit_s:13.1f}x")
    print(f"{'the same file again':24}{again.took_s:9.2f}{LABELS / again.took_s:10.0f}{again.took_s / limit_s:13.1f}x")
    print(f"{'COPY, plain tables':24}{limit_s:9.2f}{LABELS / limit_s:10.0f}{1:13.1f}x")
    print(f"\nmemory grew by {grown_mb:.0f} MB from {before_mb:.0f} MB, limit {MEMORY_LIMIT_MB:.0f} MB")
    print(f"time {first.took_s:.1f} s, limit {TIME_LIMIT_S:.0f} s; CPU of this process {cpu_s:.1f} s")
    kept = [
        (first.items_new, first.labels_new, first.labels_there) == (ITEMS, LABELS, 0),
        (again.items_new, again.labels_new, again.labels_there) == (0, 0, LABELS),
        first.took_s <= TIME_LIMIT_S,
        again.took_s <= TIME_LIMIT_S,
        grown_mb <= MEMORY_LIMIT_MB,
    ]
    return all(kept)


def main() -> int:
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, seed {SEED}")
    with tempfile.TemporaryDirectory(prefix="shifty-bench-") as place:
        folder = ratings_folder()
        print(f"{LABELS:,} labels, {ITEMS:,} texts, {'public ratings' if folder else 'generated'}\n")
        home = Path(place) / "home"
        try:
            kept = measure(home, folder or generate(Path(place)))
        finally:
            EmbeddedPostgres(home).remove()
    print("\nclaims kept" if kept else "\na claimed figure was missed")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
