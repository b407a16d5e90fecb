"""The board model drawn as Grafana boards, provisioned and kept from drifting."""
