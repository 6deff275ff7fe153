"""Reports: what a supervisor, a risk committee or a client is shown."""
