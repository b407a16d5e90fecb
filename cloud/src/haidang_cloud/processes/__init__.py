"""Where rooms meet: each process reads the configuration and puts its parts together."""
