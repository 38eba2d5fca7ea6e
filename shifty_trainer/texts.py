"""How much of a text a model looks at."""

# 256 tokens, the most any recipe reads, are about 1,300 characters of English; fifteen times that leaves room for
# any script, and a 10 MB text costs the tokenizer and the n-gram counter no more than a long one.
MAX_TEXT_CHARS = 20_000


def bounded(text: str) -> str:
    """The first `MAX_TEXT_CHARS` characters after leading white space."""
    return text.lstrip()[:MAX_TEXT_CHARS] if len(text) > MAX_TEXT_CHARS else text
