"""What a label set may be."""

import pytest

from shifty_pipelines.contexts.curation.domain.label_sets import check_labels
from shifty_pipelines.contexts.curation.errors import InvalidLabels


@pytest.mark.parametrize("label", ["", " a", "a\n", "\x7f", "x" * 101, "\ud800", "a\udcffb", "b"], ids=ascii)
def test_what_cannot_be_a_label_is_refused_in_words_that_can_be_sent(label: str) -> None:
    with pytest.raises(InvalidLabels) as refused:
        check_labels(["b", label])
    refused.value.message.encode()
