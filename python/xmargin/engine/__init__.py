"""The engine: the only caller of the Rust core. Snapshots in, result tables out."""

from xmargin.engine.evaluate import Engine, Evaluation

__all__ = ["Engine", "Evaluation"]
