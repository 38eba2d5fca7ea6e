"""What is true: items, labels, and how far labels can be trusted.

Owns items (sealed), label sets, label events (append-only), labeler skills and every aggregator. Arcade never holds a
truth; curation never pays XP.
"""
