"""The centre's commands: arguments in, a process or a library call; nothing heavy until `run`."""
