"""Grafana: boards drawn as its dashboards, put there once, and kept from drifting.

The models are Grafana's own (grafana-foundation-sdk), of one line with the server: 11.6.
"""
