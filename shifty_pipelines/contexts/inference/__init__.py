"""Answers from the model that currently serves (the spec's AI orchestrator).

Owns predictions on self-hosted models; no external LLM service is ever called. A model runs in a process of its own:
nothing here imports torch. Text completions come later.
"""
