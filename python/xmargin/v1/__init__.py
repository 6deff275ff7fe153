"""The wire types: generated from protos/ by `make protos`, never edited."""
