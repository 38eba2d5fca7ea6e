"""``python -m examples.shop run|serve|drive``: see README.md."""

import argparse
import json
import time
from pathlib import Path

from examples.shop.driver import drive
from examples.shop.fleet import TENANTS, Fleet, RunningShop, Tenant
from examples.shop.lifeline import end_with_stdin
from examples.shop.server import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.shop", description="A small web shop that really fails.")
    commands = parser.add_subparsers(dest="command", required=True)
    add_run(commands.add_parser("run", help="two shops, their suppliers and the shoppers, until enough went wrong"))
    add_serve(commands.add_parser("serve", help="one shop"))
    add_drive(commands.add_parser("drive", help="shoppers for a shop that runs already"))
    arguments = parser.parse_args()
    {"run": run, "serve": serve_alone, "drive": drive_one}[arguments.command](arguments)


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--errors", type=int, default=600, help="stop after so many errors, of both shops together")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--events", type=Path, default=Path("events.jsonl"), help="where the events go")
    parser.add_argument("--platform", default="", help="base URL of the platform, in place of --events")
    parser.add_argument("--tenants", type=Path, help='JSON: [{"config": path, "tenantId": id, "token": bearer token}]')


def add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant-config", type=Path, default=TENANTS / "north.toml")
    parser.add_argument("--tenant-id", default="north")
    parser.add_argument("--supplier", default="127.0.0.1:8100", help="host:port of python -m examples.shop.upstream")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--events", type=Path, default=Path("events.jsonl"))
    parser.add_argument("--platform", default="", help="base URL; its token is read from SHOP_PLATFORM_TOKEN")
    parser.add_argument("--end-with-stdin", action="store_true", help="for a program that starts shops")


def add_drive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--staff-password", required=True)
    parser.add_argument("--errors", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)


def run(arguments: argparse.Namespace) -> None:
    begun_s = time.monotonic()
    if not arguments.platform:
        arguments.events.unlink(missing_ok=True)
    with Fleet(
        tenants_of(arguments), events=arguments.events, platform=arguments.platform, seed=arguments.seed
    ) as fleet:
        counts = drive(fleet.shops, errors=arguments.errors, seed=arguments.seed)
        print(f"{counts.requests} requests, {counts.errors} errors in {time.monotonic() - begun_s:.1f} s")
    print(f"events: {arguments.platform or arguments.events}")


def tenants_of(arguments: argparse.Namespace) -> list[Tenant]:
    if arguments.tenants is None:
        return [Tenant(config=TENANTS / f"{name}.toml", tenant_id=name) for name in ("north", "coast")]
    rows = json.loads(arguments.tenants.read_text(encoding="utf-8"))
    return [Tenant(config=Path(row["config"]), tenant_id=row["tenantId"], token=row["token"]) for row in rows]


def serve_alone(arguments: argparse.Namespace) -> None:
    if arguments.end_with_stdin:
        end_with_stdin()
    serve(arguments)


def drive_one(arguments: argparse.Namespace) -> None:
    shop = RunningShop(port=arguments.port, staff_password=arguments.staff_password)
    print(drive([shop], errors=arguments.errors, seed=arguments.seed))


if __name__ == "__main__":
    main()
