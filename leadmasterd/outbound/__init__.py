"""Sending through the Cloud API, prepared and off.

A process of its own, with a command and a database of its own (docs/outbound.md). Nothing that listens imports it, and
it imports nothing that listens: contracts in pyproject.toml hold both. No gateway here can reach a network.
"""
