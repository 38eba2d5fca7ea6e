"""What labels say about the truth, pure."""
