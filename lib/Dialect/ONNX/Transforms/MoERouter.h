//===- MoERouter.h - Which experts a row goes to ----------------*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_MOEROUTER_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_MOEROUTER_H

#include "Raising.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

namespace hybrid::onnx {

/// A choice of experts for ExpertMatMul, and the weights of the chosen: a Group
/// of raiseGroups.
class MoERouter {
public:
  MoERouter(GraphView &view, TopKOp top) : view(view), top(top) {}

  bool isCandidate();
  const char *match();
  void rewrite();
  mlir::Operation *getResultOp() { return top; }
  llvm::StringRef getMeaning() const {
    return groups > 1 ? "became Route, limited to groups" : "became Route";
  }

private:
  const char *matchScores();
  const char *matchGroups(WhereOp where);
  /// Sets what is chosen of the groups whose `mask` [..., groups] is 1.
  const char *matchChosenGroups(mlir::Value mask);
  /// Sets what a group is worth.
  const char *matchWorth(mlir::Value worth);
  const char *matchWeights();
  void matchShare();
  void matchBias();
  /// Whether `value` has one row of groups for each row of the choice.
  bool isOfGroups(mlir::Value value);

  GraphView &view;
  TopKOp top;
  int64_t numExperts = 0, chosen = 0;
  int64_t groups = 1, chosenGroups = 1, groupBest = 1;
  /// What experts are chosen by that are in no chosen group.
  double others = 0;
  /// What is chosen from, before it is limited to groups.
  mlir::Value choice;
  mlir::Value logits, scores, bias, weights;
  llvm::StringRef score = "identity", weight = "score";
  double epsilon = 0, scale = 1;
};

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_MOEROUTER_H
