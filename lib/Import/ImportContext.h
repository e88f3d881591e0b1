//===- ImportContext.h - What all parts of the importer share ---*- C++ -*-===//

#ifndef HYBRID_LIB_IMPORT_IMPORTCONTEXT_H
#define HYBRID_LIB_IMPORT_IMPORTCONTEXT_H

#include "hybrid/Import/ONNXImport.h"
#include "hybrid/Import/WeightStore.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"

#include "lib/Import/onnx_wire.pb.h"

namespace hybrid {

/// Diagnostics, options and files of one import.
class ImportContext {
public:
  ImportContext(llvm::StringRef path, mlir::MLIRContext *context,
                const ImportOptions &options);

  /// Starts an error; counts it.
  mlir::InFlightDiagnostic emitError(mlir::Location loc);
  bool hasErrors() const { return numErrors > 0; }
  bool hasTooManyErrors() const { return numErrors >= options.maxErrors; }

  mlir::MLIRContext *context;
  mlir::Builder builder;
  const ImportOptions &options;
  /// The file's name without its folder.
  std::string fileName;
  WeightStore weights;
  /// For problems of the file as a whole.
  mlir::Location fileLoc;

private:
  unsigned numErrors = 0;
};

/// A tensor of the file: small ones by value, others by place.
struct ImportedTensor {
  mlir::RankedTensorType type;
  /// Exactly one of these is set.
  mlir::ElementsAttr value;
  onnx::SourceAttr source;
};

/// Reads `tensor`, which `what` describes in error messages ("initializer
/// 'w'"). `valueNeeded`: by value even if it is large. Emits errors at `loc`.
mlir::FailureOr<ImportedTensor> importTensor(ImportContext &context,
                                             const hybrid_onnx::Tensor &tensor,
                                             const llvm::Twine &what,
                                             mlir::Location loc,
                                             bool valueNeeded = false);

/// The MLIR type for a declared type: a tensor, ranked if the shape is given,
/// or !onnx.Opaque. Null if nothing is declared. Emits errors at `loc` for data
/// types that do not exist.
mlir::FailureOr<mlir::Type> importType(ImportContext &context,
                                       const hybrid_onnx::Type &type,
                                       const llvm::Twine &what,
                                       mlir::Location loc);

/// One attribute per dimension: an integer, or a string with the name or
/// expression of the file ("?" if it has none). Null without a shape.
mlir::ArrayAttr importDims(ImportContext &context,
                           const hybrid_onnx::Type &type);

} // namespace hybrid

#endif // HYBRID_LIB_IMPORT_IMPORTCONTEXT_H
