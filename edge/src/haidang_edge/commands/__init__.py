"""The node's commands; each module holds one, and loads what is heavy only when it runs."""
