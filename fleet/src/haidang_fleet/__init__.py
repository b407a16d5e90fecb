"""Trust, enrolment and care of thousands of nodes."""
