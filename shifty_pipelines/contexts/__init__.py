"""The bounded contexts: one folder each, the same file names in each, no import between them."""
