"""Configuration of the lit suite: *.mlir and *.test files beside what they test.

HYBRID_OPT_CHECK_IR_ROUNDTRIP=1 makes every hybrid-opt of the suite also print,
parse and print its input again, and fail if that changes it.
"""

import os
import shutil
import sys

import lit.formats
from lit.llvm import llvm_config
from lit.llvm.subst import ToolSubst

config.name = "hybrid"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Conformance", "Inputs", "Models", "Python", "Unit"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.hybrid_obj_root

config.substitutions.append(("%python", f'"{sys.executable}"'))
config.substitutions.append(("%models", os.path.join(config.test_source_root, "Models")))
config.substitutions.append(("%source", os.path.dirname(config.test_source_root)))

if shutil.which("ptxas") or os.path.exists(
    os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin/ptxas")
):
    config.available_features.add("ptxas")

hybrid_opt_arguments = []
if os.environ.get("HYBRID_OPT_CHECK_IR_ROUNDTRIP"):
    hybrid_opt_arguments.append("--verify-roundtrip")

llvm_config.with_environment("PATH", config.hybrid_bin_dir, append_path=True)
llvm_config.with_environment("PATH", config.llvm_tools_dir, append_path=True)
llvm_config.add_tool_substitutions(
    [
        ToolSubst("hybrid-opt", extra_args=hybrid_opt_arguments, unresolved="ignore"),
        ToolSubst("hybrid-compile", unresolved="ignore"),
        ToolSubst("hybrid-run", unresolved="ignore"),
        ToolSubst("onnx-import", unresolved="ignore"),
        "FileCheck",
        "not",
        "split-file",
    ],
    [config.hybrid_bin_dir, config.llvm_tools_dir],
)
