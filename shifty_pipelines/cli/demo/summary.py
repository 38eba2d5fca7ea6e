"""The table that ends the demo: what happened, per tenant."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from shifty_pipelines.cli.demo.models import Trained
from shifty_pipelines.cli.demo.story import Outcome
from shifty_pipelines.cli.terminal import console

GIB = 1024**3


def show(outcomes: Sequence[Outcome], *, elapsed_s: float, peak_bytes: int) -> None:
    """Print the table, the refusal, and what it cost."""
    table = Table("what", *(outcome.tenant.shop for outcome in outcomes), title="What happened")
    for name, values in _lines(outcomes):
        table.add_row(name, *values)
    console.print(table)
    whole = outcomes[0]
    for outcome in outcomes:
        if outcome.adapter is not None and outcome.look_up_f1 >= outcome.adapter.metrics["f1Score"]:
            console.print(
                f"[yellow]note[/]     {outcome.tenant.shop}: looking up the error type is as good as the model"
            )
    if whole.control is not None:
        console.print(
            f"control  version {whole.control.version}, trained on permuted labels: macro F1 {_f1(whole.control)}, "
            f"the gate says {whole.control.verdict}. {whole.refusal}"
        )
    if whole.adapter is not None and whole.adapter.verdict == "refused":
        console.print("[yellow]note[/]     the gate refused the adapter against the baseline, which goes on serving")
    for when, answer in zip(("baseline", "second promoted", "rolled back"), whole.answers, strict=False):
        made = f"version {answer['version']}, {_kind_of(whole, answer['version'])},"
        console.print(f"answer   {when}: {made} says {answer['label']} ({answer['confidence']:.3f})")
    console.print(
        f"took     {elapsed_s:.0f} s; peak memory of all our processes {peak_bytes / GIB:.2f} GiB (summed PSS)"
    )


def _lines(outcomes: Sequence[Outcome]) -> list[tuple[str, list[str]]]:
    cards = [outcome.dataset["currentVersion"]["card"] if outcome.dataset else {} for outcome in outcomes]
    return [
        ("errors, missions", [str(outcome.missions) for outcome in outcomes]),
        ("labels", [str(card["agreement"]["labels"]) for card in cards]),
        ("Krippendorff's alpha", [f"{card['agreement']['alpha']:.2f}" for card in cards]),
        ("rows: train, validation, test", [_splits(card) for card in cards]),
        ("items decided (posterior >= 0.9)", [_decided(card) for card in cards]),
        (
            "consensus of the rows right (the driver knows)",
            [f"{outcome.consensus_accuracy:.1%}" for outcome in outcomes],
        ),
        ("registered", [_kind(outcome.adapter) for outcome in outcomes]),
        ("macro F1, registered", [_f1(outcome.adapter) for outcome in outcomes]),
        *(
            (f"macro F1, {title}", [_beside(outcome.adapter, name) for outcome in outcomes])
            for name, title in (("frozen_head", "frozen embeddings"), ("tfidf", "TF-IDF"), ("majority", "majority"))
        ),
        ("macro F1, look-up of the error type", [f"{outcome.look_up_f1:.2f}" for outcome in outcomes]),
        ("verdict", [outcome.adapter.verdict if outcome.adapter else "" for outcome in outcomes]),
    ]


def _kind_of(outcome: Outcome, version: int) -> str:
    """What answers: the baseline is a frozen head, a training registers the better of its two candidates."""
    adapter = outcome.adapter
    return adapter.kind if adapter is not None and adapter.version == version else "frozen_head"


def _decided(card: Mapping[str, Any]) -> str:
    count = {step["step"]: step["count"] for step in card["waterfall"]}
    return f"{count['decided']} of {count['labelled']}"


def _splits(card: Mapping[str, Any]) -> str:
    table = card["rowsBySplitAndLabel"]
    return ", ".join(str(sum(table.get(split, {}).values())) for split in ("train", "validation", "test"))


def _kind(made: Trained | None) -> str:
    return f"{made.kind}, version {made.version}" if made else ""


def _f1(made: Trained | None) -> str:
    return f"{made.metrics['f1Score']:.2f}" if made else ""


def _beside(made: Trained | None, name: str) -> str:
    beside = made.metrics["comparedWith"].get(name) if made else None
    return f"{beside['f1Score']:.2f}" if beside else "-"
