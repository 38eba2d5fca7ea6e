"""Names for the array kinds the rules pass to each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Any integer width: vote columns are int32 and int8, counts and indices int64.
IntArray = NDArray[np.signedinteger[Any]]
#: Hashes wrap around at 2**64 by design.
HashArray = NDArray[np.uint64]
