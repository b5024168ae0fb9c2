"""Settings from file, environment and options, checked."""
