//===- ModelFile.h - ONNX files made by tests -------------------*- C++ -*-===//

#ifndef HYBRID_TEST_UNIT_IMPORT_MODELFILE_H
#define HYBRID_TEST_UNIT_IMPORT_MODELFILE_H

#include "hybrid/Import/ONNXImport.h"
#include "mlir/IR/MLIRContext.h"

#include "lib/Import/onnx_wire.pb.h"

#include <string>
#include <vector>

namespace hybrid::test {

/// A folder that is removed with everything in it.
class TempFolder {
public:
  TempFolder();
  ~TempFolder();
  std::string path(llvm::StringRef name) const;
  void write(llvm::StringRef name, llvm::StringRef bytes) const;

private:
  std::string folder;
};

/// ONNX's numbers of data types.
enum DataType { Float = 1, Int64 = 7, Bool = 9, Float16 = 10 };

/// The start of a valid model: operator set 21, an empty graph.
hybrid_onnx::Model makeModel();
hybrid_onnx::Node *addNode(hybrid_onnx::Graph &graph, llvm::StringRef op,
                           const std::vector<std::string> &inputs,
                           const std::vector<std::string> &outputs);
/// Dimensions: numbers are static, other texts are names.
void setType(hybrid_onnx::ValueInfo &value, llvm::StringRef name, DataType type,
             const std::vector<std::string> &dims);
void addInput(hybrid_onnx::Graph &graph, llvm::StringRef name, DataType type,
              const std::vector<std::string> &dims);
void addOutput(hybrid_onnx::Graph &graph, llvm::StringRef name, DataType type,
               const std::vector<std::string> &dims);
hybrid_onnx::Tensor *addInitializer(hybrid_onnx::Graph &graph,
                                    llvm::StringRef name, DataType type,
                                    const std::vector<int64_t> &dims,
                                    llvm::StringRef rawData);
hybrid_onnx::Attribute *setInteger(hybrid_onnx::Node &node,
                                   llvm::StringRef name, int64_t value);

/// What an import gives.
struct Imported {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// Error messages, in order.
  std::vector<std::string> errors;
  /// The module as text; empty after errors.
  std::string text;

  /// The only error; "<n errors>" if there is not exactly one.
  std::string error() const;
  bool contains(llvm::StringRef part) const {
    return llvm::StringRef(text).contains(part);
  }
};

/// Writes `model` as model.onnx into `folder` and imports it.
Imported importModel(mlir::MLIRContext &context, const TempFolder &folder,
                     const hybrid_onnx::Model &model,
                     const ImportOptions &options = {});
Imported importBytes(mlir::MLIRContext &context, const TempFolder &folder,
                     llvm::StringRef bytes, const ImportOptions &options = {});
Imported importFile(mlir::MLIRContext &context, llvm::StringRef path,
                    const ImportOptions &options = {});

} // namespace hybrid::test

#endif // HYBRID_TEST_UNIT_IMPORT_MODELFILE_H
