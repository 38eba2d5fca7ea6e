"""Characters that a name may not hold: PostgreSQL, UTF-8 or a terminal has no place for them."""

import re

#: Half a character: JSON can write one ("\ud800"), UTF-8 cannot (RFC 3629, section 3).
SURROGATE = re.compile(r"[\ud800-\udfff]")
#: Control characters and lone surrogates.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
