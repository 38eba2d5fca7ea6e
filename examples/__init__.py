"""Programs of ours that use the platform from outside; the platform imports nothing of them."""
