//===- MoERouter.cpp - Which experts a row goes to ------------------------===//
//
// The usual routers: scores of all experts, a bias that only takes part in
// choosing, the groups that experts may be limited to, and what becomes of the
// scores of those that are chosen.
//
//===----------------------------------------------------------------------===//

#include "MoERouter.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"

#include <cmath>

using namespace mlir;

namespace hybrid::onnx {

bool MoERouter::isCandidate() {
  return llvm::any_of(top.getIndices().getUsers(), [](Operation *user) {
    auto flat = dyn_cast<ReshapeOp>(user);
    return flat && llvm::any_of(flat.getReshaped().getUsers(),
                                llvm::IsaPred<ExpertMatMulOp>);
  });
}

/// Whether `value` is a softmax over the last dimension.
static bool isSoftmax(GraphView &view, SoftmaxOp op) {
  return op && view.isLastAxis(op.getInput(), op.getAxis());
}

/// Whether it takes the largest of the last dimension.
static bool isLargest(GraphView &view, TopKOp op) {
  return op.getLargest() == 1 && view.isLastAxis(op.getX(), op.getAxis());
}

/// What a Reshape to the shape that it has already is of.
static Value skipSameShape(GraphView &view, Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>()) {
    if (!view.haveSameShape(reshape.getData(), value))
      break;
    value = reshape.getData();
  }
  return value;
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

bool MoERouter::isOfGroups(Value value) {
  SmallVector<AffineExpr> shape = view.getShape(top.getX());
  shape.back() = view.getConstant(groups);
  return view.hasShape(value, shape);
}

/// The sum of the best of a group, or its best.
const char *MoERouter::matchWorth(Value worth) {
  Value parts;
  if (auto most = worth.getDefiningOp<ReduceMaxOp>()) {
    parts = most.getData();
    if (most.getKeepdims() != 0 ||
        !view.isAxis(most.getAxes(), parts, view.getRank(parts) - 1))
      return "a group is not worth its best experts";
  } else {
    auto sum = worth.getDefiningOp<ReduceSumOp>();
    auto best = sum ? sum.getData().getDefiningOp<TopKOp>() : nullptr;
    if (!best || sum.getData() != best.getValues() || sum.getKeepdims() != 0 ||
        !isLargest(view, best) ||
        !view.isAxis(sum.getAxes(), sum.getData(),
                     view.getRank(sum.getData()) - 1))
      return "a group is not worth its best experts";
    parts = best.getX();
    std::optional<int64_t> count = view.getFixedDim(best.getValues(), -1);
    if (!count)
      return "how many of a group's experts count is not known";
    groupBest = *count;
  }
  auto split = parts.getDefiningOp<ReshapeOp>();
  if (!split || skipSameShape(view, split.getData()) != choice)
    return "groups are worth something else than what is chosen by";
  SmallVector<AffineExpr> shape = view.getShape(top.getX());
  shape.back() = view.getConstant(groups);
  shape.push_back(view.getConstant(numExperts / groups));
  return view.hasShape(parts, shape) ? nullptr
                                     : "groups are no neighbouring experts";
}

/// ScatterElements(0, numbers of groups, 1).
const char *MoERouter::matchChosenGroups(Value mask) {
  auto scatter = mask.getDefiningOp<ScatterElementsOp>();
  if (!scatter || scatter.getReduction() != "none" ||
      !view.isLastAxis(mask, scatter.getAxis()) ||
      view.getFill(scatter.getData()) != 0.0 ||
      view.getFill(scatter.getUpdates()) != 1.0)
    return "chosen groups are not marked with ones among zeros";
  auto best = scatter.getIndices().getDefiningOp<TopKOp>();
  std::optional<int64_t> count = view.getFixedDim(scatter.getIndices(), -1);
  if (!best || best.getIndices() != scatter.getIndices() ||
      !isLargest(view, best) || !count || *count < 1 || *count > groups ||
      !isOfGroups(best.getX()))
    return "it does not choose the groups that are worth most";
  chosenGroups = *count;
  return matchWorth(best.getX());
}

/// Where(mask of experts, choice, number), or the negation.
const char *MoERouter::matchGroups(WhereOp where) {
  Value mask = where.getCondition();
  bool isNegated = false;
  while (auto negation = mask.getDefiningOp<NotOp>()) {
    isNegated = !isNegated;
    mask = negation.getX();
  }
  std::optional<double> number =
      view.getNumber(isNegated ? where.getX() : where.getY());
  if (!number || std::isnan(*number))
    return "what hides experts is no number";
  others = *number;
  choice = skipSameShape(view, isNegated ? where.getY() : where.getX());
  if (auto cast = mask.getDefiningOp<CastOp>())
    mask = cast.getInput();
  auto flat = mask.getDefiningOp<ReshapeOp>();
  auto expand = flat ? flat.getData().getDefiningOp<ExpandOp>() : nullptr;
  auto column =
      expand ? expand.getInput().getDefiningOp<UnsqueezeOp>() : nullptr;
  if (!column || !view.haveSameShape(mask, top.getX()))
    return "the mask of experts is not one of groups";
  Value each = expand.getOutput();
  std::optional<int64_t> count = view.getFixedDim(each, -2);
  if (!count || *count < 1 || numExperts % *count != 0 ||
      !view.isFixed(view.getDim(each, -1), numExperts / *count) ||
      !view.isAxis(column.getAxes(), column.getExpanded(),
                   view.getRank(column.getExpanded()) - 1))
    return "the mask of experts is not one of groups";
  groups = *count;
  if (!isOfGroups(column.getData()))
    return "the mask of experts is not one of groups";
  return matchChosenGroups(column.getData());
}

//===----------------------------------------------------------------------===//
// Scores and weights
//===----------------------------------------------------------------------===//

/// Of each expert, added to the scores.
void MoERouter::matchBias() {
  auto sum = choice.getDefiningOp<AddOp>();
  if (!sum)
    return;
  for (Value operand : sum->getOperands()) {
    Value row = operand;
    if (auto unsqueeze = row.getDefiningOp<UnsqueezeOp>();
        unsqueeze && view.isAxis(unsqueeze.getAxes(), row, 0))
      row = unsqueeze.getData();
    if (view.getRank(row) != 1 ||
        !view.isFixed(view.getDim(row, 0), numExperts))
      continue;
    bias = row;
    scores = getOther(sum, operand);
    return;
  }
}

/// What the choice is made of: scores, and a bias of each expert.
const char *MoERouter::matchScores() {
  choice = skipSameShape(view, top.getX());
  if (auto where = choice.getDefiningOp<WhereOp>())
    if (const char *why = matchGroups(where))
      return why;
  scores = choice;
  matchBias();
  if (!view.haveSameShape(scores, top.getX()))
    return "scores are not one row for each input row";
  scores = skipSameShape(view, scores);
  logits = scores;
  if (auto softmax = scores.getDefiningOp<SoftmaxOp>();
      isSoftmax(view, softmax)) {
    score = "softmax";
    logits = softmax.getInput();
  } else if (auto sigmoid = scores.getDefiningOp<SigmoidOp>()) {
    score = "sigmoid";
    logits = sigmoid.getX();
  }
  // Rounded scores may be equal where those in float32 are not.
  Type element = getElementTypeOrSelf(scores.getType());
  if (!isa<FloatType>(element) || ((bias || groups > 1 || logits != scores) &&
                                   element.getIntOrFloatBitWidth() < 32))
    return "scores are compared in less than float32";
  return nullptr;
}

/// w / (ReduceSum(w) + epsilon)
void MoERouter::matchShare() {
  if (!llvm::hasNItems(weights.getUses(), 2))
    return;
  for (Operation *user : weights.getUsers()) {
    auto sum = dyn_cast<ReduceSumOp>(user);
    if (!sum || sum.getKeepdims() != 1 ||
        !view.isAxis(sum.getAxes(), weights, view.getRank(weights) - 1))
      continue;
    Value divisor = sum.getReduced();
    double added = 0;
    if (auto more = getOnlyUser<AddOp>(divisor)) {
      std::optional<double> number = view.getNumber(getOther(more, divisor));
      if (!number || !(*number >= 0))
        return;
      added = *number;
      divisor = more->getResult(0);
    }
    auto quotient = getOnlyUser<DivOp>(divisor);
    if (!quotient || quotient->getOperand(0) != weights ||
        !view.haveSameShape(quotient->getResult(0), weights))
      return;
    weight = "share";
    epsilon = added;
    weights = quotient->getResult(0);
    return;
  }
}

/// Scores of the chosen, and what becomes of them.
const char *MoERouter::matchWeights() {
  for (Operation *user : top.getIndices().getUsers()) {
    auto gather = dyn_cast<GatherElementsOp>(user);
    if (!gather || skipSameShape(view, gather.getData()) != scores ||
        !view.isLastAxis(gather.getData(), gather.getAxis()))
      continue;
    if (weights)
      return "scores of the chosen are taken more than once";
    weights = gather.getOutput();
  }
  if (!top.getValues().use_empty()) {
    if (weights || bias)
      return "the bias becomes part of the weights";
    weights = top.getValues();
    // Weights are 0 of experts that are hidden by 0, and chosen only where what
    // is left is 0, too: that weighs as little.
    bool areHidden =
        others == -INFINITY || (others == 0 && score != "identity");
    if (groups > 1 &&
        (!areHidden || chosen > chosenGroups * (numExperts / groups)))
      return "experts of other groups may be chosen, and weigh what hides them";
    others = -INFINITY;
  }
  if (!weights)
    return "weights are not scores of the chosen";
  if (auto softmax = getOnlyUser<SoftmaxOp>(weights);
      isSoftmax(view, softmax)) {
    weight = "softmax";
    weights = softmax.getOutput();
  } else {
    matchShare();
  }
  auto product = getOnlyUser<MulOp>(weights);
  std::optional<double> factor =
      product ? view.getNumber(getOther(product, weights)) : std::nullopt;
  if (factor && view.haveSameShape(product->getResult(0), weights)) {
    scale = *factor;
    weights = product->getResult(0);
  }
  return nullptr;
}

const char *MoERouter::match() {
  Value indices = top.getIndices();
  std::optional<int64_t> all = view.getFixedDim(top.getX(), -1),
                         few = view.getFixedDim(indices, -1);
  if (!all || !few || *few < 1 || *few > *all || !isLargest(view, top))
    return "it does not choose the largest of the last dimension";
  numExperts = *all;
  chosen = *few;
  if (const char *why = matchScores())
    return why;
  return matchWeights();
}

void MoERouter::rewrite() {
  RaisedBuilder raised(top.getOperation());
  OpBuilder &b = raised.builder;
  SmallVector<NamedAttribute> attributes = {
      raised.getNamed("k", chosen), raised.getNamed("score", score),
      raised.getNamed("weight", weight),
      b.getNamedAttr("epsilon", b.getF64FloatAttr(epsilon)),
      b.getNamedAttr("scale", b.getF64FloatAttr(scale))};
  if (groups > 1) {
    attributes.push_back(raised.getNamed("groups", groups));
    attributes.push_back(raised.getNamed("chosen_groups", chosenGroups));
    attributes.push_back(raised.getNamed("group_best", groupBest));
    if (others != -INFINITY)
      attributes.push_back(b.getNamedAttr("others", b.getF64FloatAttr(others)));
  }
  Type types[] = {top.getIndices().getType(), weights.getType()};
  Value operands[] = {logits, bias ? bias : raised.getNone()};
  auto route = RouteOp::create(b, raised.loc, types, operands, attributes);
  view.replace(weights, route.getWeights());
  view.replace(top.getIndices(), route.getExperts());
}

} // namespace hybrid::onnx
