"""The data and the published estimates of Dawid & Skene (1979), Applied Statistics 28(1), 20-28.

Forty-five patients' fitness for anaesthesia in four classes; observer 1 judged three times, observers 2 to 5 once.
"""

import numpy as np

from shifty_pipelines.contexts.curation.domain.votes import Votes

#: Table 1: observer 1's three answers, then those of observers 2 to 5.
ANSWERS = (
    "1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 "
    "2322223 4444444 2223343 1111111 2223212 1211111 1112111 1111111 1111111 "
    "2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 "
    "1111111 1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 "
    "2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111 2222222 "
)

#: Table 2: class marginals and, per observer, rows of truth with columns of answer.
CLASS_MARGINALS = [0.40, 0.42, 0.11, 0.07]
ERROR_RATES = np.array(
    [
        [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]],
        [[0.83, 0.17, 0, 0], [0.05, 0.63, 0.31, 0], [0, 0, 1.00, 0], [0, 0, 0, 1.00]],
        [[1.00, 0, 0, 0], [0.11, 0.79, 0.11, 0], [0, 0.40, 0.20, 0.40], [0, 0, 0.67, 0.33]],
        [[0.94, 0.06, 0, 0], [0.05, 0.84, 0.10, 0], [0, 0, 0.80, 0.20], [0, 0, 0.33, 0.67]],
        [[1.00, 0, 0, 0], [0.16, 0.73, 0.11, 0], [0, 0.21, 0.79, 0], [0, 0, 0.33, 0.67]],
    ]
)

#: Table 4: the patients about whom the posterior is not certain to two digits.
UNCERTAIN_PATIENTS = {7: [0.98, 0.02, 0, 0], 35: [0, 0.95, 0.05, 0], 38: [0, 0.02, 0.98, 0]}

OBSERVER_OF_ANSWER = [0, 0, 0, 1, 2, 3, 4]


def anaesthetists() -> Votes:
    """Built by hand: the first observer's repeated answers are three judgements, not duplicate rows."""
    patients = ANSWERS.split()
    n_patients, n_answers = len(patients), len(OBSERVER_OF_ANSWER)
    return Votes(
        items=tuple(f"patient {n:02}" for n in range(1, n_patients + 1)),
        labelers=tuple(f"observer {n}" for n in range(1, 6)),
        labels=("1", "2", "3", "4"),
        item_index=np.repeat(np.arange(n_patients), n_answers).astype(np.int32),
        labeler_index=np.tile(OBSERVER_OF_ANSWER, n_patients).astype(np.int32),
        label_index=np.array([int(answer) - 1 for answer in "".join(patients)], dtype=np.int8),
    )
