"""Trust, enrolment and care of nodes: who is who, and what the broker lets them do."""
