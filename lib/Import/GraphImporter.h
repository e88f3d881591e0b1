//===- GraphImporter.h - Graphs, nodes and functions ------------*- C++ -*-===//

#ifndef HYBRID_LIB_IMPORT_GRAPHIMPORTER_H
#define HYBRID_LIB_IMPORT_GRAPHIMPORTER_H

#include "GraphOrder.h"
#include "ImportContext.h"
#include "hybrid/Dialect/ONNX/IR/OperatorInfo.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"

namespace hybrid {

/// The names that a graph or function body can see.
struct Scope {
  explicit Scope(Scope *parent) : parent(parent) {}

  mlir::Value lookup(llvm::StringRef name) const;
  /// The type that the file declares for a name of this scope; null if none.
  const hybrid_onnx::Type *declaredType(llvm::StringRef name) const;

  Scope *parent;
  llvm::StringMap<mlir::Value> values;
  llvm::StringMap<const hybrid_onnx::Type *> declared;
};

struct FunctionFrame;

/// An attribute with the scope that its subgraphs belong to.
struct BoundAttribute {
  const hybrid_onnx::Attribute *proto;
  Scope *scope;
  const FunctionFrame *frame;
};

using OpsetMap = llvm::StringMap<int64_t>;

/// What a body is imported under: the model itself, or one call of a function.
struct FunctionFrame {
  const hybrid_onnx::Function *function = nullptr;
  const FunctionFrame *caller = nullptr;
  /// Location of the call; null at the top.
  std::optional<mlir::Location> call;
  OpsetMap opsets;
  llvm::StringMap<BoundAttribute> attributes;
};

/// One node with everything that its import needs.
struct Call {
  const hybrid_onnx::Node &node;
  Scope &scope;
  const FunctionFrame &frame;
  mlir::Location loc;
  /// "" for ai.onnx.
  llvm::StringRef domain;
  /// 0 if the file imports no operator set for the domain.
  int64_t opset;
  /// With references to function attributes resolved; those that the call of
  /// the function leaves out are missing here too.
  llvm::SmallVector<std::pair<llvm::StringRef, BoundAttribute>> attributes;

  const BoundAttribute *find(llvm::StringRef name) const;
};

/// Imports the graph of one model. Errors go to the context.
class GraphImporter {
public:
  GraphImporter(ImportContext &context, const hybrid_onnx::Model &model,
                OpsetMap opsets);

  /// Adds the function to `module`.
  void importModel(mlir::ModuleOp module);

private:
  // Graphs and functions: GraphImporter.cpp.
  void collectFunctions();
  void declareValues(const hybrid_onnx::Graph &graph, Scope &scope);
  mlir::func::FuncOp importSignature(Scope &scope);
  void importInitializers(const hybrid_onnx::Graph &graph, Scope &scope);
  void importNodes(const NodeList &nodes, Scope &scope,
                   const FunctionFrame &frame, const llvm::Twine &where);
  llvm::SmallVector<mlir::Value> importOutputs(const hybrid_onnx::Graph &graph,
                                               Scope &scope, mlir::Location loc,
                                               const llvm::Twine &where);
  void importSubgraph(const BoundAttribute &bound,
                      const hybrid_onnx::Graph &graph, mlir::Region &region,
                      mlir::Location loc, llvm::ArrayRef<mlir::Type> fallback,
                      const llvm::Twine &where);
  void importFunctionCall(Call &call, const hybrid_onnx::Function &function);
  const hybrid_onnx::Function *findFunction(const Call &call) const;
  void define(Scope &scope, llvm::StringRef name, mlir::Value value,
              mlir::Location loc);
  mlir::Value getNone();
  mlir::Value makeConstant(mlir::ElementsAttr value, mlir::Location loc);
  mlir::Value makeTensor(const ImportedTensor &tensor, llvm::StringRef name);

  // Nodes: NodeImporter.cpp.
  void importNode(const hybrid_onnx::Node &node, Scope &scope,
                  const FunctionFrame &frame);
  Call makeCall(const hybrid_onnx::Node &node, Scope &scope,
                const FunctionFrame &frame);
  std::string whyUnknown(const Call &call, const onnx::OperatorInfo &info);
  void importKnown(Call &call, const onnx::OperatorInfo &info);
  void importUnknown(Call &call, const llvm::Twine &reason);
  void importConstant(Call &call);
  /// Gives the outputs of a node that failed to import some value, so that the
  /// nodes that use them report no follow-up errors.
  void importFailed(Call &call);
  void defineOutputs(Call &call, mlir::ValueRange values);
  void setOpset(const Call &call, mlir::NamedAttrList &attributes);

  mlir::FailureOr<llvm::SmallVector<mlir::Value>> importInputs(Call &call);
  mlir::LogicalResult checkInputs(Call &call, const onnx::OperatorInfo &info,
                                  mlir::ValueRange inputs);
  mlir::LogicalResult
  moveAttributes(Call &call, const onnx::OperatorInfo &info,
                 llvm::SmallVectorImpl<mlir::Value> &inputs);
  mlir::ElementsAttr movedValue(const BoundAttribute &bound,
                                const onnx::OperatorInfo &info,
                                mlir::Type dataType);
  mlir::FailureOr<mlir::NamedAttrList>
  importAttributes(Call &call, const onnx::OperatorInfo &info);
  mlir::FailureOr<mlir::Attribute>
  importAttribute(Call &call, llvm::StringRef name,
                  const hybrid_onnx::Attribute &attribute, bool valueNeeded);
  void importRegions(Call &call, mlir::OperationState &state);
  mlir::FailureOr<llvm::SmallVector<mlir::Type>>
  resultTypes(Call &call, const onnx::OperatorInfo &info,
              const mlir::OperationState &state);
  mlir::FailureOr<mlir::Type> resultType(Call &call, llvm::StringRef name,
                                         mlir::Type element);

  /// An error about a node: "node 'name' (Op, operator set 21): ".
  mlir::InFlightDiagnostic error(const Call &call);

  ImportContext &context;
  const hybrid_onnx::Model &model;
  FunctionFrame top;
  mlir::OpBuilder builder;
  mlir::Block *entry = nullptr;
  mlir::Value none;
  uint64_t numNodes = 0;
  /// Subgraphs and function calls around the current node.
  unsigned depth = 0;
  /// By domain, name and overload, separated by colons.
  llvm::StringMap<const hybrid_onnx::Function *> functions;
};

/// Subgraphs and calls of functions nest no deeper than this.
constexpr unsigned kMaxImportDepth = 128;

/// "" and "ai.onnx" are the same domain.
inline llvm::StringRef normalizeDomain(llvm::StringRef domain) {
  return domain == "ai.onnx" ? "" : domain;
}

} // namespace hybrid

#endif // HYBRID_LIB_IMPORT_GRAPHIMPORTER_H
