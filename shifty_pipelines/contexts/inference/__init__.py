"""Answers from the model that currently serves (the spec's AI orchestrator).

Will own predictions and text completions on self-hosted models; no external LLM service is ever called. Not built yet.
"""
