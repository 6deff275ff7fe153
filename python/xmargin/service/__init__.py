"""The service: one spine and its readers behind gRPC."""
