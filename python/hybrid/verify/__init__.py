"""Compares compiled models with onnxruntime on the same inputs.

    from hybrid.verify import verify

    report = verify("model.onnx", layers=True)
    print(report.text())

Needs the packages onnx and onnxruntime (the extra `verify`).
"""

from ._compare import Difference, Tolerance
from ._run import Place, Report, Settings, verify

__all__ = ["Difference", "Place", "Report", "Settings", "Tolerance", "verify"]
