"""External vectors: files of other engines' inputs and results, held against ours."""

from xmargin.vectors.case import Check
from xmargin.vectors.running import FORMATS, Case, Report, run

__all__ = ["FORMATS", "Case", "Check", "Report", "run"]
