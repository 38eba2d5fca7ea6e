"""How long ten rounds of Dawid-Skene take over a million labels: ours beside crowd-kit's, in one run.

    python bench/consensus_speed.py [--labels 1000000]

Both get the same integer-coded arrays in memory, run ten EM iterations at tolerance 0 on one thread, and do so twice,
the second time in the other order. crowd-kit 1.4.2 (with scikit-learn 1.5.2, which it needs) lives in an environment of
its own under .bench-envs, made by uv on the first run.

Claims (exit 1 when one is missed): at most a fifth of crowd-kit's time, accuracies within .001, at most a gigabyte at
our peak.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".bench-envs" / "crowd-kit-1.4.2"
PEER = ("crowd-kit==1.4.2", "scikit-learn==1.5.2")
ITERATIONS = 10
SEED = 0
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
MOST_OF_THE_PEERS_TIME = 0.2
ACCURACY_MARGIN = 0.001
MEMORY_LIMIT_BYTES = 10**9

#: Runs in the peer's environment, which knows nothing of ours: the votes come as an .npz, a line of JSON goes back.
THEIRS = """
import json, resource, sys, time
import numpy as np, pandas as pd
from crowdkit.aggregation import DawidSkene
votes = np.load(sys.argv[1])
frame = pd.DataFrame({"task": votes["item"], "worker": votes["labeler"], "label": votes["label"]})
started_s = time.perf_counter()
answers = DawidSkene(n_iter=int(sys.argv[2]), tol=0).fit_predict(frame)
took_s = time.perf_counter() - started_s
accuracy = float((answers.sort_index().to_numpy() == votes["truth"]).mean())
peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"tookS": took_s, "accuracy": accuracy, "peakBytes": peak_bytes}))
"""

OURS = """
import json, resource, sys, time
import numpy as np
from shifty_pipelines.contexts.curation.domain.dawid_skene import dawid_skene
from shifty_pipelines.contexts.curation.domain.expectation_maximisation import Stop
from shifty_pipelines.contexts.curation.domain.votes import Votes
found = np.load(sys.argv[1])
n_items, n_labelers, n_classes = len(found["truth"]), int(found["labeler"].max()) + 1, int(found["label"].max()) + 1
votes = Votes(
    items=tuple(map(str, range(n_items))), labelers=tuple(map(str, range(n_labelers))),
    labels=tuple(map(str, range(n_classes))), item_index=found["item"].astype(np.int32),
    labeler_index=found["labeler"].astype(np.int32), label_index=found["label"].astype(np.int8),
)
started_s = time.perf_counter()
consensus = dawid_skene(votes, stop=Stop(max_iterations=int(sys.argv[2]), tolerance=0))
took_s = time.perf_counter() - started_s
accuracy = float((consensus.posterior.argmax(axis=1) == found["truth"]).mean())
peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"tookS": took_s, "accuracy": accuracy, "peakBytes": peak_bytes}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=1_000_000, help="how many; five per item")
    labels = parser.parse_args().labels
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}")
    theirs = _peer_python()
    if theirs is None:
        print("skipped: crowd-kit could not be installed here (no package index?)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        votes = _votes(Path(folder) / "votes.npz", labels)
        print(f"{labels:,} labels, {labels // 5:,} items, {labels // 500:,} labelers, 5 classes, {ITERATIONS} rounds")
        runs = {"ours": (sys.executable, OURS), "crowd-kit": (str(theirs), THEIRS)}
        found: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
        for order in (("ours", "crowd-kit"), ("crowd-kit", "ours")):
            for name in order:
                found[name].append(_run(*runs[name], votes))
                last = found[name][-1]
                print(
                    f"  {name:10} {last['tookS']:7.2f} s  accuracy {last['accuracy']:.4f}  "
                    f"peak of the process {last['peakBytes'] / 1e9:.2f} GB",
                    flush=True,
                )
    ratio = sum(run["tookS"] for run in found["ours"]) / sum(run["tookS"] for run in found["crowd-kit"])
    apart = abs(found["ours"][0]["accuracy"] - found["crowd-kit"][0]["accuracy"])
    peak = max(run["peakBytes"] for run in found["ours"])
    print(f"time {ratio:.3f} of crowd-kit's (asked {MOST_OF_THE_PEERS_TIME}), accuracies {apart:.4f} apart")
    is_kept = ratio <= MOST_OF_THE_PEERS_TIME and apart <= ACCURACY_MARGIN and peak <= MEMORY_LIMIT_BYTES
    print("claims kept" if is_kept else "a claimed figure was missed")
    return 0 if is_kept else 1


def _votes(path: Path, labels: int) -> Path:
    rng = np.random.default_rng(SEED)
    n_items, n_labelers, n_classes, per_item = labels // 5, labels // 500, 5, 5
    truth = rng.integers(0, n_classes, n_items)
    item = np.repeat(np.arange(n_items), per_item)
    # Five different labelers per item, so that nobody contradicts themselves and both count the same votes.
    labeler = (rng.integers(0, n_labelers, n_items)[:, None] + np.arange(per_item) * (n_labelers // 7)) % n_labelers
    skill = rng.uniform(0.4, 0.95, n_labelers)
    is_right = rng.random(len(item)) < skill[labeler.ravel()]
    answer = np.where(is_right, truth[item], rng.integers(0, n_classes, len(item)))
    np.savez(path, item=item, labeler=labeler.ravel(), label=answer, truth=truth)
    return path


def _run(python: str, program: str, votes: Path) -> dict[str, float]:
    started_s = time.perf_counter()
    ended = subprocess.run(
        [python, "-c", program, str(votes), str(ITERATIONS)],
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT) if python == sys.executable else ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise SystemExit(f"{python} failed after {time.perf_counter() - started_s:.0f} s:\n{ended.stderr[-2000:]}")
    result: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return result


def _peer_python() -> Path | None:
    """The interpreter of the peer's environment, made if it is missing."""
    python = ENVIRONMENT / "bin" / "python"
    if python.exists():
        return python
    uv = Path(sys.executable).with_name("uv")
    made = [
        [uv, "venv", "--quiet", "--python", sys.executable, ENVIRONMENT],
        [uv, "pip", "install", "--quiet", "--python", python, *PEER],
    ]
    for command in made:
        if subprocess.run(list(map(str, command)), check=False).returncode != 0:
            python.unlink(missing_ok=True)
            return None
    return python


if __name__ == "__main__":
    sys.exit(main())
