//===- RecurrentStep.h - One step of a recurrence ---------------*- C++ -*-===//

#ifndef HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_RECURRENTSTEP_H
#define HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_RECURRENTSTEP_H

#include "Contraction.h"
#include "Raising.h"

namespace hybrid::onnx {

/// Indices of a step's dimensions, and of time where all steps are meant.
enum StepLabel : int { kStepBatch, kStepHead, kStepKey, kStepValue, kStepTime };

/// A step from the state S to the next one, as LinearAttention computes it:
///
///   D     = S · decay                 (linear, delta: S itself)
///   next  = D + key · value                                 (linear, gated)
///         = D + key · β · (value - Σ_key D · key)     (delta, gated_delta)
///   read  = scale · Σ_key next · query
///
/// Each of decay, key, value, β and query is the product of some factors. The
/// state is [B, H, K, V] or [B, H, V, K]; or [B, K, V] or [B, V, K] with one
/// head; or, where the decay depends on the head, [B, H, K] or [B, K, H] with
/// values of one element.
struct RecurrentStep {
  mlir::Value state, next, read;
  /// Of the state's dimensions, and of those of `read` (-1 for size 1).
  llvm::SmallVector<int, 5> stateLabels, readLabels;
  llvm::SmallVector<Factor> decays, keys, values, betas, queries;
  /// The decay's logarithm: a sum of products. Whoever matched the step makes
  /// it from the decay's factors.
  llvm::SmallVector<llvm::SmallVector<Factor>> logarithms;
  double scale = 1;
  bool isDelta = false;

  /// Whether `sum` adds to a product with a tensor of its shape, and a product
  /// with it is summed.
  static bool isCandidate(GraphView &view, mlir::Value sum);
  /// Reads the step that ends with the sum `next`, from `known` or, if that is
  /// null, any state. Null, or what is wrong.
  const char *match(GraphView &view, mlir::Value sum, mlir::Value known);
  llvm::StringRef getRule() const {
    if (isDelta)
      return decays.empty() ? "delta" : "gated_delta";
    return decays.empty() ? "linear" : "gated";
  }
  /// The size of the state's dimension with this index; 1 if there is none.
  std::optional<int64_t> getSize(GraphView &view, int label) const;

private:
  bool matchRead(GraphView &view, mlir::Value value);
  bool matchDecay(GraphView &view, mlir::Value term, mlir::Value known);
  const char *matchUpdate(GraphView &view, mlir::Value term);
  bool matchDelta(GraphView &view, llvm::ArrayRef<Factor> others,
                  const Factor &difference);
};

/// Makes LinearAttention out of the factors of all steps.
class StepRows {
public:
  /// What it makes, `raised` inserts; null to ask for sizes only.
  explicit StepRows(GraphView &view, RaisedBuilder *raised = nullptr)
      : view(view), raised(raised) {}

  /// Null, or why LinearAttention cannot have the sizes of `step`, whose
  /// factors are of one step or all.
  const char *setSizes(const RecurrentStep &step, mlir::AffineExpr numSequences,
                       mlir::AffineExpr length);
  /// The rows [B, T, H, V], and the last state, like `initial` (null: zero).
  /// The factors of `step` are of all steps, kStepTime among their indices; its
  /// decay is what its logarithms say.
  std::pair<mlir::Value, mlir::Value> make(const RecurrentStep &step,
                                           mlir::Value initial);
  /// [B, T, H, V] with its dimensions in the order of `labels`; -1 adds one.
  mlir::Value arrange(mlir::Value rows, llvm::ArrayRef<int> labels);
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> perm);
  mlir::Value reshape(mlir::Value value,
                      llvm::ArrayRef<mlir::AffineExpr> shape);
  mlir::Value unsqueeze(mlir::Value value, llvm::ArrayRef<int64_t> axes);
  /// x of exp(x), or the logarithm of another factor of a decay.
  mlir::Value getLogarithm(mlir::Value decay);

private:
  mlir::Value getRows(const Factor &factor, int channel);
  mlir::Value multiply(llvm::ArrayRef<Factor> factors, int channel);
  template <typename OpTy>
  mlir::Value combine(mlir::Value a, mlir::Value b);
  /// `rows` with exactly these heads and channels, flat from [B, T, ·] on.
  mlir::Value finish(mlir::Value rows, int64_t heads, int64_t channels);
  mlir::Value toState(mlir::Value state, llvm::ArrayRef<int> labels,
                      bool isBack);

  GraphView &view;
  RaisedBuilder *raised;
  int64_t heads = 1, keyChannels = 1, valueChannels = 1;
  mlir::AffineExpr batch, time;
  /// The values, and their [B, T] as a tensor once it is needed.
  mlir::Value valueRows, sizes;
};

/// Whether no element is provably negative, so that it has a logarithm.
bool isDecay(mlir::Value value);

} // namespace hybrid::onnx

#endif // HYBRID_LIB_DIALECT_ONNX_TRANSFORMS_RECURRENTSTEP_H
