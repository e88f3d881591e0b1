//===- ONNXImport.h - ONNX file → onnx dialect ------------------*- C++ -*-===//

#ifndef HYBRID_IMPORT_ONNXIMPORT_H
#define HYBRID_IMPORT_ONNXIMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>

namespace hybrid {

struct ImportOptions {
  /// The name of the function that the graph becomes.
  std::string functionName = "main";
  /// Initializers that are also graph inputs stay inputs; by default they are
  /// constants, as they are in every file of IR version 4 or later that does
  /// not list them.
  bool overridableInitializers = false;
  /// Tensors of up to this many elements become onnx.Constant. So do larger ones
  /// that are masks, identity matrices, tables of cosines or one number.
  int64_t maxConstantElements = 64;
  /// Function bodies are copied into the graph; a file that grows beyond this
  /// many nodes is refused.
  uint64_t maxNodes = 4'000'000;
  /// Errors after which the import stops looking for more.
  unsigned maxErrors = 50;
};

/// Reads the ONNX file at `path` into a module with one function in the onnx
/// dialect; weights stay in their files (onnx.Initializer). Loads the dialects
/// that it needs into `context`.
///
/// Bad files get error diagnostics, as many as can be found in one go, each
/// with the node's name, operator and operator set where there is one; the
/// result is null then. Reads nothing outside the folder of the model, checks
/// that external data files exist and are long enough, and uses memory in
/// proportion to the graph, not to the weights.
mlir::OwningOpRef<mlir::ModuleOp> importONNX(llvm::StringRef path,
                                             mlir::MLIRContext *context,
                                             const ImportOptions &options = {});

} // namespace hybrid

#endif // HYBRID_IMPORT_ONNXIMPORT_H
