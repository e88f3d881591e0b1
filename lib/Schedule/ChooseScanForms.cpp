//===- ChooseScanForms.cpp - one step after another, or in chunks ---------===//
//
// Costs are vector instructions per head and step, relative to each other; the
// constants are fitted to measurements (docs/scan-forms.md). The sequential form is
// bound by passing over the state once per step, the chunked one by
// multiplications, of which those within a chunk grow with its length and what
// is done once per chunk shrinks.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Schedule/Passes.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_CHOOSESCANFORMSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// What the cost of a step depends on.
struct ScanShape {
  double keyDim, valueDim;
  bool isDelta, hasDecay, perKey;
};

ScanShape getShape(ScanOp op) {
  return {double(op.getKey().getType().getDimSize(3)),
          double(op.getValue().getType().getDimSize(3)),
          op.getBeta() != nullptr, op.getDecay() != nullptr,
          op.getDecay() && op.getDecay().getType().getRank() == 4};
}

/// Chunks that are tried: multiples of the sub-blocks of 16 steps and of the 4
/// or 6 rows that contractions keep in registers.
constexpr int64_t kChunks[] = {16, 24, 32, 48, 64, 96};

/// Per step: load, decay, update, read and store each element of the state; for
/// the delta rules one more pass that reads it.
double getSequentialCost(const ScanShape &s) {
  double state = s.keyDim * s.valueDim;
  return state * (s.isDelta ? 2.5 : 1.5) + 4 * (s.keyDim + s.valueDim) + 200;
}

/// Per step of a full chunk.
double getChunkedCost(const ScanShape &s, int64_t chunk) {
  double q = chunk;
  double state = s.keyDim * s.valueDim;
  // Read and update (and read for the keys), one multiply-add each; half an
  // instruction in a cycle.
  double cost = state * (s.isDelta ? 3 : 2) * 0.6 + 2 * state / q;
  // Scores and what they weight.
  double scores = q * 0.75 * s.keyDim * 0.6 * (s.isDelta ? 2 : 1);
  if (s.perKey)
    scores = scores + 16 * s.keyDim * (s.isDelta ? 1.5 : 1.0) + 4 * s.keyDim;
  return cost + scores + q * 0.75 * s.valueDim * 0.6 +
         (s.isDelta ? q * 0.5 * s.valueDim : 0) +
         8 * (s.keyDim + s.valueDim) + 2 * q + 200;
}

/// The prefix sum passes over a row of states about five times.
double getAssociativeCost(const ScanShape &s) {
  return 5 * s.keyDim * s.valueDim + 20 * s.keyDim + 200;
}

/// A choice and what it rests on.
struct Choice {
  ScanForm form = ScanForm::Sequential;
  int64_t chunk = 0;
  /// Per step; the sequential form's beside it.
  double cost = 0, sequentialCost = 0;
};

struct ChooseScanForms : impl::ChooseScanFormsPassBase<ChooseScanForms> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    wanted = symbolizeScanForm(form);
    if (!wanted && form != "auto")
      return emitError(UnknownLoc::get(context))
             << "'" << form << "' is no form of a scan: there are auto, "
             << "sequential, chunked and associative";
    if (chunk < 0 || chunk > 1024)
      return emitError(UnknownLoc::get(context))
             << "a scan's chunk has 1 to 1024 steps, not " << chunk;
    return success();
  }

  void runOnOperation() override {
    getOperation().walk([&](ScanOp op) {
      if (!op.getForm())
        choose(op);
    });
  }

private:
  void choose(ScanOp op);
  Choice chooseChunk(const ScanShape &shape, int64_t steps);
  void apply(ScanOp op, const Choice &choice);
  void refuse(ScanOp op, StringRef reason);

  std::optional<ScanForm> wanted;
};

void ChooseScanForms::refuse(ScanOp op, StringRef reason) {
  op.setForm(ScanForm::Sequential);
  ++numSequential;
  remark::missed(op.getLoc(), remark::RemarkOpts::name("scan").category(
                                  "hybrid-choose-scan-forms"))
      << "sequential: " << reason;
}

/// The cheapest chunk for `steps` steps (ShapedType::kDynamic: many).
Choice ChooseScanForms::chooseChunk(const ScanShape &shape, int64_t steps) {
  Choice best;
  auto consider = [&](int64_t candidate) {
    double cost = getChunkedCost(shape, candidate);
    // A last chunk costs as much as a full one.
    if (!ShapedType::isDynamic(steps) && steps > 0)
      cost *= double(llvm::alignTo(steps, candidate)) / steps;
    if (best.chunk == 0 || cost < best.cost) {
      best.chunk = candidate;
      best.cost = cost;
    }
  };
  if (chunk > 0)
    consider(chunk);
  else
    for (int64_t candidate : kChunks)
      consider(candidate);
  best.form = ScanForm::Chunked;
  return best;
}

void ChooseScanForms::choose(ScanOp op) {
  bool isForced = wanted.has_value();
  if (wanted == ScanForm::Sequential)
    return refuse(op, "as the option says");
  ScanShape shape = getShape(op);
  if (ShapedType::isDynamic(op.getKey().getType().getDimSize(3)) ||
      ShapedType::isDynamic(op.getValue().getType().getDimSize(3)))
    return refuse(op, "other forms need static head dimensions");
  int64_t steps = op.getValue().getType().getDimSize(1);
  if (steps <= 1 && !ShapedType::isDynamic(steps))
    return refuse(op, "there is one step only");
  if (wanted == ScanForm::Associative && shape.isDelta)
    return refuse(op, "the delta rules have no associative form");

  Choice choice = chooseChunk(shape, steps);
  if (wanted == ScanForm::Associative) {
    choice.form = ScanForm::Associative;
    choice.cost = getAssociativeCost(shape);
  }
  choice.sequentialCost = getSequentialCost(shape);
  if (!isForced && choice.cost >= choice.sequentialCost)
    return refuse(op, "cheaper than chunks for these head dimensions");
  apply(op, choice);
}

void ChooseScanForms::apply(ScanOp op, const Choice &choice) {
  op.setForm(choice.form);
  op.setChunk(choice.chunk);
  // A prefix sum of few steps costs less than one of many; a chunk does not.
  int64_t below = 2;
  if (choice.form == ScanForm::Chunked)
    below = std::clamp<int64_t>(
        std::ceil(choice.chunk * choice.cost / choice.sequentialCost), 2,
        choice.chunk);
  op.setSequentialBelow(below);
  ++(choice.form == ScanForm::Chunked ? numChunked : numAssociative);
  remark::passed(op.getLoc(), remark::RemarkOpts::name("scan").category(
                                  "hybrid-choose-scan-forms"))
      << stringifyEnum(choice.form) << " in chunks of "
      << std::to_string(choice.chunk) << ", sequential below "
      << std::to_string(below) << " steps: "
      << std::to_string(int64_t(choice.cost)) << " instead of "
      << std::to_string(int64_t(choice.sequentialCost))
      << " vector instructions per lane, head and step";
}

} // namespace
} // namespace hybrid
