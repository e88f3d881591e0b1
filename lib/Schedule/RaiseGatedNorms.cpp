//===- RaiseGatedNorms.cpp - pass hybrid-raise-gated-norms ----------------===//

#include "Elementwise.h"
#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_RAISEGATEDNORMSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

//===----------------------------------------------------------------------===//
// Elementwise operations
//===----------------------------------------------------------------------===//

/// The x of 1 / (1 + exp(-x)), or null.
Value getSigmoidOperand(Value scalar) {
  auto quotient = skipRounding(scalar).getDefiningOp<arith::DivFOp>();
  if (!quotient || !matchPattern(quotient.getLhs(), m_OneFloat()))
    return Value();
  auto sum = quotient.getRhs().getDefiningOp<arith::AddFOp>();
  if (!sum)
    return Value();
  for (unsigned i : {0, 1}) {
    auto power = sum->getOperand(i).getDefiningOp<math::ExpOp>();
    auto negated =
        power ? power.getOperand().getDefiningOp<arith::NegFOp>() : nullptr;
    if (negated && matchPattern(sum->getOperand(1 - i), m_OneFloat()))
      return skipRounding(negated.getOperand());
  }
  return Value();
}

struct Gate {
  Value tensor;
  Activation activation;
};

/// silu(z) or sigmoid(z) in `tensor`.
std::optional<Gate> getGate(Value tensor) {
  linalg::GenericOp op = getElementwise(tensor);
  if (!op)
    return std::nullopt;
  auto getTensor = [&](linalg::GenericOp from, Value scalar) {
    OpOperand *input = scalar ? getInput(from, scalar) : nullptr;
    return input && isInOrder(input) ? input->get() : Value();
  };
  if (Value z = getTensor(op, getSigmoidOperand(getYielded(op))))
    return Gate{z, Activation::Sigmoid};
  auto product = getYielded(op).getDefiningOp<arith::MulFOp>();
  if (!product)
    return std::nullopt;
  for (unsigned i : {0, 1}) {
    Value x = skipRounding(product->getOperand(i));
    Value other = product->getOperand(1 - i);
    Value z = getTensor(op, x);
    if (!z)
      continue;
    // In one body, or the sigmoid in its own.
    if (getSigmoidOperand(other) == x)
      return Gate{z, Activation::Silu};
    Value sigmoid = getTensor(op, skipRounding(other));
    std::optional<Gate> inner =
        sigmoid ? getGate(sigmoid) : std::optional<Gate>();
    if (inner && inner->activation == Activation::Sigmoid && inner->tensor == z)
      return Gate{z, Activation::Silu};
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

class GatedNorm {
public:
  explicit GatedNorm(NormOp norm) : norm(norm) {}

  /// Null, or why the norm stays one; an empty text where it has no gate.
  const char *match();
  void rewrite();

private:
  bool matchGateFirst();
  bool matchNormFirst();
  const char *matchGroups();
  bool matchScale();
  bool isLastSplit(ArrayRef<ReassociationIndices> groups, int64_t rank);

  NormOp norm;
  GateOrder order = GateOrder::GateFirst;
  Gate gate;
  /// What is normalised, what is replaced, and where that is written.
  Value input, result, init, scale;
  int64_t groupSize = 0;
};

bool isOne(Value value) {
  DenseFPElementsAttr dense;
  return matchPattern(value, m_Constant(&dense)) && dense.isSplat() &&
         dense.getSplatValue<APFloat>().isExactlyValue(1.0);
}

/// input = y · gate(z), which nothing else uses.
bool GatedNorm::matchGateFirst() {
  input = norm.getInput();
  if (auto split = input.getDefiningOp<tensor::ExpandShapeOp>();
      split && input.hasOneUse())
    input = split.getSrc();
  std::optional<Product> product = getProduct(getElementwise(input));
  if (!product || !input.hasOneUse() || !isInOrder(product->left) ||
      !isInOrder(product->right))
    return false;
  for (bool isLeft : {false, true}) {
    OpOperand *factor = isLeft ? product->left : product->right;
    std::optional<Gate> found = getGate(factor->get());
    if (!found || found->tensor.getType() != input.getType())
      continue;
    gate = *found;
    input = (isLeft ? product->right : product->left)->get();
    return input.getType() == gate.tensor.getType();
  }
  return false;
}

/// result · gate(z) is the only use.
bool GatedNorm::matchNormFirst() {
  result = norm.getResult(0);
  if (!result.hasOneUse())
    return false;
  auto user = dyn_cast<linalg::GenericOp>(*result.user_begin());
  std::optional<Product> product =
      user ? getProduct(getElementwise(user->getResult(0))) : std::nullopt;
  if (!product || !isInOrder(product->left) || !isInOrder(product->right))
    return false;
  OpOperand *factor =
      product->left->get() == result ? product->right : product->left;
  std::optional<Gate> found = getGate(factor->get());
  if (!found || found->tensor.getType() != norm.getInput().getType() ||
      user->getResult(0).getType() != norm.getInput().getType())
    return false;
  gate = *found;
  order = GateOrder::NormFirst;
  input = norm.getInput();
  result = user->getResult(0);
  init = user.getDpsInits()[0];
  return true;
}

/// Only the last dimension in two.
bool GatedNorm::isLastSplit(ArrayRef<ReassociationIndices> groups,
                            int64_t rank) {
  for (auto [i, group] : llvm::enumerate(groups))
    if (group.size() != (static_cast<int64_t>(i) == rank - 1 ? 2 : 1))
      return false;
  return static_cast<int64_t>(groups.size()) == rank;
}

/// In groups, the norm is of [..., groups, size] without a scale, and the scale
/// per channel comes behind.
const char *GatedNorm::matchGroups() {
  auto split = norm.getInput().getDefiningOp<tensor::ExpandShapeOp>();
  int64_t rank = cast<RankedTensorType>(input.getType()).getRank();
  auto normal = norm.getResult(0);
  auto joined = normal.hasOneUse()
                    ? dyn_cast<tensor::CollapseShapeOp>(*normal.user_begin())
                    : nullptr;
  if (!joined || joined.getType() != input.getType() ||
      !isLastSplit(split.getReassociationIndices(), rank) ||
      !isLastSplit(joined.getReassociationIndices(), rank))
    return "what is normalised are no groups of the last dimension";
  if (norm.getScale() && !isOne(norm.getScale()))
    return "a scale within groups is not one per channel";
  groupSize =
      cast<RankedTensorType>(norm.getInput().getType()).getDimSize(rank);
  if (ShapedType::isDynamic(groupSize))
    return "the size of a group is not fixed";
  result = joined.getResult();
  return matchScale() ? nullptr : "the groups are not multiplied with a scale";
}

/// A product with a scale per channel, alone behind the groups.
bool GatedNorm::matchScale() {
  if (!result.hasOneUse())
    return false;
  auto user = dyn_cast<linalg::GenericOp>(*result.user_begin());
  std::optional<Product> product =
      user ? getProduct(getElementwise(user->getResult(0))) : std::nullopt;
  if (!product || user->getResult(0).getType() != result.getType())
    return false;
  OpOperand *other =
      product->left->get() == result ? product->right : product->left;
  OpOperand *own = other == product->left ? product->right : product->left;
  AffineMap map = user.getMatchingIndexingMap(other);
  bool isPerChannel = map.getNumResults() == 1 &&
                      map.getResult(0) == getAffineDimExpr(map.getNumDims() - 1,
                                                           map.getContext());
  auto type = cast<RankedTensorType>(result.getType());
  if (!isInOrder(own) || !isPerChannel ||
      cast<ShapedType>(other->get().getType()).getDimSize(0) !=
          type.getShape().back())
    return false;
  scale = other->get();
  result = user->getResult(0);
  init = user.getDpsInits()[0];
  return true;
}

const char *GatedNorm::match() {
  auto type = cast<RankedTensorType>(norm.getInput().getType());
  if (norm.getKind() != NormKind::Rms || norm.getBias() ||
      norm.getZeroCentered() || norm.getGroupSize() != 0 ||
      norm.getAxis() != type.getRank() - 1 || !norm->getNumResults())
    return "";
  if (!matchGateFirst()) {
    if (!matchNormFirst())
      return "";
  } else if (input.getType() != type) {
    return matchGroups();
  } else {
    result = norm.getResult(0);
    init = norm.getInit();
    if (gate.activation != Activation::Silu || result.getType() != type)
      return "the gate in front is no SiLU, or the element types differ";
  }
  scale = norm.getScale();
  if (scale && isOne(scale))
    scale = Value();
  auto scaleType = scale ? cast<RankedTensorType>(scale.getType()) : nullptr;
  if (scaleType && (scaleType.getRank() != 1 ||
                    scaleType.getDimSize(0) != type.getShape().back()))
    return "the scale is not one per channel";
  return nullptr;
}

void GatedNorm::rewrite() {
  Operation *last = result.getDefiningOp();
  OpBuilder builder(last);
  auto gated = GatedNormOp::create(
      builder, norm.getLoc(), TypeRange{result.getType()}, input, gate.tensor,
      scale, init, order, gate.activation, norm.getEpsilon(), groupSize);
  result.replaceAllUsesWith(gated.getResult(0));
}

struct RaiseGatedNorms : impl::RaiseGatedNormsPassBase<RaiseGatedNorms> {
  void runOnOperation() override {
    SmallVector<NormOp> norms;
    getOperation().walk([&](NormOp norm) { norms.push_back(norm); });
    for (NormOp norm : norms) {
      GatedNorm gated(norm);
      auto options =
          remark::RemarkOpts::name("gated-norm").category(getArgument());
      if (const char *why = gated.match()) {
        if (*why)
          remark::missed(norm.getLoc(), options) << why;
        continue;
      }
      ++numRaised;
      remark::passed(norm.getLoc(), options)
          << "the gate became part of the norm";
      gated.rewrite();
    }
  }
};

} // namespace
} // namespace hybrid
