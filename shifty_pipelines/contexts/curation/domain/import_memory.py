"""What an import remembers of its files, so that a repeated row is told from a new one in a first run and in a second.

About 200 bytes per label and per item, whatever their size: digests, no texts.
"""

from collections.abc import Mapping

from shifty_pipelines.contexts.curation.domain.import_rows import ImportRow
from shifty_pipelines.contexts.curation.domain.payloads import digest
from shifty_pipelines.contexts.curation.domain.row_rejections import Reason, RowRefused


class ImportMemory:
    """The items and labels of the files so far; ask in the order of the rows, and only about rows that stand."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._bit_of: Mapping[str, int] = {label: 1 << n for n, label in enumerate(labels)}
        self._given: dict[bytes, int] = {}
        self._contents: dict[bytes, bytes] = {}
        self._refused: set[bytes] = set()

    def content_of(self, external_id: str) -> bytes | None:
        """The digest of the text that the files gave an item, if they did."""
        return self._contents.get(digest(external_id))

    def keep_item(self, row: ImportRow, external_id: str) -> None:
        """Remember that the row's item stands."""
        key = digest(external_id)
        self._contents[key] = row.content
        self._refused.discard(key)

    def refuse_item(self, external_id: str) -> None:
        """Remember that an item's row was rejected, unless another row of it stands."""
        key = digest(external_id)
        if key not in self._contents:
            self._refused.add(key)

    def forget_item(self, external_id: str) -> None:
        """Take back `keep_item`: the item turned out to say something else."""
        self._contents.pop(digest(external_id), None)
        self._refused.add(digest(external_id))

    def was_refused(self, external_id: str) -> bool:
        """Whether the item's own row was rejected."""
        return digest(external_id) in self._refused

    def keep_label(self, row: ImportRow, external_id: str, label_column: str) -> RowRefused | None:
        """Remember the row's label; what there is to point out about a row that is imported all the same.

        Raises:
            RowRefused: an earlier row is the same label of the same item by the same labeler.
        """
        # Names hold no control character, so the separator cannot be part of one.
        pair = digest(f"{external_id}\0{row.labeler}")
        label = row.label or ""
        earlier, bit = self._given.get(pair, 0), self._bit_of[label]
        if earlier & bit:
            raise RowRefused(Reason.DUPLICATE_LABEL, label_column, label)
        self._given[pair] = earlier | bit
        return RowRefused(Reason.CONTRADICTING_LABEL, label_column, label) if earlier else None
