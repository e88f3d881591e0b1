//===- Verify.h - hybrid-compile --verify -----------------------*- C++ -*-===//

#ifndef HYBRID_TOOLS_HYBRID_COMPILE_VERIFY_H
#define HYBRID_TOOLS_HYBRID_COMPILE_VERIFY_H

#include "hybrid/Compiler/Compiler.h"

#include <string>

/// Compares an artifact with onnxruntime by the Python package
/// (python/hybrid/verify), which prints what it finds.
struct Verification {
  std::string model, artifact;
  /// With which `artifact` was made.
  hybrid::CompileOptions options;
  bool layers = false;
  bool json = false;
  /// The path of hybrid-compile.
  std::string compiler;

  /// The exit code: 0 equal, 1 different, 2 the comparison could not be made;
  /// then a message has been printed.
  int run() const;
};

#endif // HYBRID_TOOLS_HYBRID_COMPILE_VERIFY_H
