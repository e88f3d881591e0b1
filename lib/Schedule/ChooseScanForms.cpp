//===- ChooseScanForms.cpp - one step after another, or in chunks ---------===//
//
// Costs are vector instructions times lanes, per head and step; the constants
// are fitted to measurements (docs/forms.md). The sequential
// form is bound by passing over the state once per step, the chunked one by
// multiplications, of which those within a chunk grow with its length and what
// is done once per chunk shrinks.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Schedule/Passes.h"
#include "mlir/IR/Remarks.h"

#include <cmath>

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_CHOOSESCANFORMSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// What the cost of a step depends on.
struct ScanShape {
  double keyDim, valueDim;
  bool isDelta, perKey;
};

ScanShape getShape(ScanOp op) {
  return {double(op.getKey().getType().getDimSize(3)),
          double(op.getValue().getType().getDimSize(3)),
          op.getBeta() != nullptr,
          op.getDecay() && op.getDecay().getType().getRank() == 4};
}

/// Chunks that are tried, multiples of the rows that contractions keep in
/// registers.
constexpr int64_t kChunks[] = {16, 24, 32, 48};
/// Of multiplications in contractions, two of which start in a cycle.
constexpr double kPerMultiplication = 0.55;
/// Bytes of a block's state that stay in the L1, and what it costs if they
/// don't. A block has up to 64 columns.
constexpr double kNearBytes = 32 << 10, kFarFactor = 1.35, kBlockColumns = 64;
/// Loops, addresses, an output row.
constexpr double kPerStep = 200;

/// Per step: load, decay, update, read and store each element of the state; for
/// the delta rules one more pass that reads it.
double getSequentialCost(const ScanShape &s) {
  double state = s.keyDim * s.valueDim;
  double passes = s.isDelta ? 2.5 : 1.5;
  if (s.perKey)
    passes += 0.25;
  if (s.keyDim * std::min(s.valueDim, kBlockColumns) * 4 > kNearBytes)
    passes *= kFarFactor;
  return state * passes + 4 * (s.keyDim + s.valueDim) + kPerStep;
}

/// Per step of a full chunk.
double getChunkedCost(const ScanShape &s, int64_t chunk) {
  double q = chunk, state = s.keyDim * s.valueDim;
  // Read, update, and for the delta rules read for the keys.
  double products = state * (s.isDelta ? 3 : 2);
  // Scores of queries (and keys), and the values they weight; a part of what
  // lies above the diagonal is skipped.
  double pairs = 0.75 * q;
  products += pairs * (s.keyDim * (s.isDelta ? 2 : 1) + s.valueDim);
  double cost = products * kPerMultiplication;
  if (s.isDelta)
    cost += 0.5 * q * s.valueDim;
  // Keys decay from step to step of a sub-block of 16.
  if (s.perKey)
    cost += std::min(q, 16.0) * s.keyDim * (s.isDelta ? 1.5 : 1) + 4 * s.keyDim;
  // The state decays once per chunk; copies.
  return cost + 2 * state / q + 5 * (s.keyDim + s.valueDim) + 2 * q + kPerStep;
}

/// The prefix sum passes over a row of states about five times.
double getAssociativeCost(const ScanShape &s) {
  return 5 * s.keyDim * s.valueDim + 20 * s.keyDim + kPerStep;
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
    if (chunk < 0 || chunk > 128)
      return emitError(UnknownLoc::get(context))
             << "a scan's chunk has 1 to 128 steps, not " << int64_t(chunk);
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
  void refuse(ScanOp op, const Twine &reason);

  std::optional<ScanForm> wanted;
};

void ChooseScanForms::refuse(ScanOp op, const Twine &reason) {
  op.setForm(ScanForm::Sequential);
  ++numSequential;
  remark::missed(op.getLoc(), remark::RemarkOpts::name("scan").category(
                                  "hybrid-choose-scan-forms"))
      << ("sequential: " + reason).str();
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
  if (wanted == ScanForm::Sequential)
    return refuse(op, "as the option says");
  ScanShape shape = getShape(op);
  for (ShapedType type : {op.getKey().getType(), op.getValue().getType()})
    if (ShapedType::isDynamic(type.getDimSize(3)) || type.getDimSize(3) > 256)
      return refuse(op,
                    "other forms need static head dimensions of at most 256");
  int64_t steps = op.getValue().getType().getDimSize(1);
  if (steps <= 1 && !ShapedType::isDynamic(steps))
    return refuse(op, "there is one step only");
  if (wanted == ScanForm::Associative && shape.isDelta)
    return refuse(op, "the delta rules have no associative form");

  Choice choice = chooseChunk(shape, steps);
  double associativeCost = getAssociativeCost(shape);
  if (wanted == ScanForm::Associative ||
      (!wanted && !shape.isDelta && associativeCost < choice.cost)) {
    choice.form = ScanForm::Associative;
    choice.cost = associativeCost;
  }
  choice.sequentialCost = getSequentialCost(shape);
  if (!wanted && choice.cost >= choice.sequentialCost)
    return refuse(op, "cheaper than chunks for these head dimensions");
  apply(op, choice);
}

void ChooseScanForms::apply(ScanOp op, const Choice &choice) {
  op.setForm(choice.form);
  op.setChunk(choice.chunk);
  // A chunk costs the same however few of its steps are used, a prefix sum
  // less.
  int64_t below = 2;
  if (choice.form == ScanForm::Chunked)
    below = std::clamp<int64_t>(
        std::ceil(choice.chunk * choice.cost / choice.sequentialCost), 2,
        choice.chunk);
  op.setSequentialBelow(below);
  ++(choice.form == ScanForm::Chunked ? numChunked : numAssociative);
  std::string text;
  llvm::raw_string_ostream(text)
      << stringifyEnum(choice.form) << " in chunks of " << choice.chunk
      << ", sequential below " << below << " steps: a step costs "
      << int64_t(choice.cost) << " instead of "
      << int64_t(choice.sequentialCost);
  remark::passed(op.getLoc(), remark::RemarkOpts::name("scan").category(
                                  "hybrid-choose-scan-forms"))
      << text;
}

} // namespace
} // namespace hybrid
