"""The centre: what nodes and departments send becomes figures, boards and cases."""
