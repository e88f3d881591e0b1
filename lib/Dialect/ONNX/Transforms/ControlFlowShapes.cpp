//===- ControlFlowShapes.cpp - Shapes of If, Loop and Scan ----------------===//

#include "ShapeInference.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace hybrid::onnx;

/// Rounds until dimensions of carried values stop changing; what still changes
/// then is not known.
static constexpr unsigned kMaxLoopRounds = 3;
/// Loops nested deeper get one round: rounds multiply.
static constexpr unsigned kMaxLoopDepth = 3;

/// `expr` unless it holds a symbol that only has a value inside `op`.
static Expr visibleOutside(OpShape &op, Expr expr) {
  if (!expr)
    return expr;
  bool inside = op.math.anySymbol(expr, [&](const SymbolInfo &symbol) {
    Value value = symbol.value;
    Region *region = value ? value.getParentRegion() : nullptr;
    return region && op.op->isAncestor(region->getParentOp());
  });
  return inside ? Expr() : expr;
}

static Shape visibleOutside(OpShape &op, const Shape &shape) {
  Shape result;
  for (Expr dim : shape)
    result.push_back(visibleOutside(op, dim));
  return result;
}

//===----------------------------------------------------------------------===//
// If
//===----------------------------------------------------------------------===//

/// What holds whichever branch is taken.
static std::optional<Shape> join(OpShape &op, const Shape *a, const Shape *b) {
  if (!a || !b || a->size() != b->size())
    return std::nullopt;
  Shape result;
  for (auto [x, y] : llvm::zip(*a, *b))
    result.push_back(op.math.isEqual(x, y) ? x : Expr());
  return result;
}

static LogicalResult ifShapes(OpShape &op) {
  auto ifOp = cast<IfOp>(op.op);
  ShapeInference &inference = op.inference;
  Block &thenBlock = ifOp.getThenBranch().front();
  Block &elseBlock = ifOp.getElseBranch().front();
  std::optional<SmallVector<int64_t>> condition = op.constants(0);
  if (condition && condition->size() == 1) {
    // The other branch need not even be valid for these shapes.
    Block &taken = condition->front() ? thenBlock : elseBlock;
    if (failed(inference.runOnBlock(taken)))
      return failure();
    for (auto [i, value] :
         llvm::enumerate(taken.getTerminator()->getOperands())) {
      if (const Shape *shape = inference.getShape(value))
        op.set(i, visibleOutside(op, *shape));
      if (const Shape *elements = inference.getElements(value))
        op.setElements(i, visibleOutside(op, *elements));
    }
    return success();
  }
  llvm::SaveAndRestore maybe(inference.conditional, true);
  if (failed(inference.runOnBlock(thenBlock)) ||
      failed(inference.runOnBlock(elseBlock)))
    return failure();
  for (auto [i, thenValue, elseValue] :
       llvm::enumerate(thenBlock.getTerminator()->getOperands(),
                       elseBlock.getTerminator()->getOperands())) {
    if (std::optional<Shape> shape = join(op, inference.getShape(thenValue),
                                          inference.getShape(elseValue)))
      op.set(i, visibleOutside(op, *shape));
    if (std::optional<Shape> elements =
            join(op, inference.getElements(thenValue),
                 inference.getElements(elseValue)))
      op.setElements(i, visibleOutside(op, *elements));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

namespace {
/// Runs the body of a Loop or Scan until the shapes of its carried values hold
/// for every iteration.
class LoopBody {
public:
  LoopBody(OpShape &op, Block &body, unsigned firstCarried, unsigned numCarried,
           unsigned firstYielded)
      : op(op), body(body), firstCarried(firstCarried), numCarried(numCarried),
        firstYielded(firstYielded) {}

  /// The shape of carried value `i` before the first iteration.
  void start(unsigned i, const Shape *shape) {
    if (shape)
      op.inference.setShape(body.getArgument(firstCarried + i), *shape);
  }

  LogicalResult run() {
    unsigned &depth = op.inference.loopDepth;
    llvm::SaveAndRestore nest(depth, depth + 1);
    if (depth > kMaxLoopDepth) {
      for (unsigned i = 0; i < numCarried; ++i)
        forget(body.getArgument(firstCarried + i));
      return op.inference.runOnBlock(body);
    }
    for (unsigned round = 0;; ++round) {
      if (failed(op.inference.runOnBlock(body)))
        return failure();
      if (!widen(/*forGood=*/round >= kMaxLoopRounds) || round > kMaxLoopRounds)
        return success();
    }
  }

  const Shape *yielded(unsigned i) const {
    return op.inference.getShape(
        body.getTerminator()->getOperand(firstYielded + i));
  }

private:
  /// Dimensions that an iteration changes become symbols. True if there were
  /// any. `forGood`: all dimensions of a value that changes.
  bool widen(bool forGood) {
    bool changed = false;
    for (unsigned i = 0; i < numCarried; ++i) {
      BlockArgument argument = body.getArgument(firstCarried + i);
      const Shape *before = op.inference.getShape(argument);
      const Shape *after = yielded(i);
      if (!before)
        continue;
      if (!after || after->size() != before->size()) {
        op.inference.shapes.erase(argument);
        changed = true;
        continue;
      }
      Shape widened = *before;
      bool differs = false;
      for (auto [d, dim] : llvm::enumerate(widened)) {
        bool keeps = op.math.isEqual(dim, (*after)[d]);
        Expr symbol = op.inference.dimSymbol(argument, d);
        if (keeps || dim == symbol)
          continue;
        dim = symbol;
        differs = true;
      }
      if (!differs)
        continue;
      changed = true;
      op.inference.setShape(argument, std::move(widened));
      if (forGood)
        forget(argument);
    }
    return changed;
  }

  /// Nothing but the rank is known.
  void forget(BlockArgument argument) {
    const Shape *shape = op.inference.getShape(argument);
    if (!shape)
      return;
    Shape symbols;
    for (size_t d = 0; d < shape->size(); ++d)
      symbols.push_back(op.inference.dimSymbol(argument, d));
    op.inference.setShape(argument, std::move(symbols));
  }

  OpShape &op;
  Block &body;
  unsigned firstCarried, numCarried, firstYielded;
};
} // namespace

/// The number of iterations, if nothing ends the loop early.
static Expr tripCount(OpShape &op, Block &body) {
  auto alwaysTrue = [&](Value condition) {
    const Shape *list = op.inference.getElements(condition);
    return list && list->size() == 1 &&
           SymbolicAlgebra::constantValue(list->front()) == 1;
  };
  bool entered = !op.has(1) || alwaysTrue(op.op->getOperand(1));
  Value condition = body.getTerminator()->getOperand(0);
  if (!op.has(0) || !entered || !alwaysTrue(condition))
    return Expr();
  return op.math.max(op.sizeElement(0, 0), op.constant(0));
}

static LogicalResult loopShapes(OpShape &op) {
  auto loop = cast<LoopOp>(op.op);
  Block &body = loop.getBody().front();
  unsigned numCarried = loop.getVInitial().size();
  op.inference.setShape(body.getArgument(0), Shape());
  op.inference.setShape(body.getArgument(1), Shape());
  // The body only runs while the condition holds.
  op.inference.setElements(body.getArgument(1), Shape{op.constant(1)});
  llvm::SaveAndRestore maybe(op.inference.conditional, true);
  LoopBody runner(op, body, 2, numCarried, 1);
  for (unsigned i = 0; i < numCarried; ++i)
    runner.start(i, op.shape(2 + i));
  if (failed(runner.run()))
    return failure();
  Expr trips = tripCount(op, body);
  for (unsigned i = 0; i < op.results.size(); ++i) {
    const Shape *shape = runner.yielded(i);
    if (!shape)
      continue;
    Shape result = visibleOutside(op, *shape);
    if (i >= numCarried)
      result.insert(result.begin(), trips);
    op.set(i, std::move(result));
  }
  return success();
}

/// Entry `i` of a list attribute that may be absent.
static int64_t entry(const std::optional<SmallVector<int64_t>> &list,
                     size_t i) {
  return list && i < list->size() ? (*list)[i] : 0;
}

static LogicalResult scanShapes(OpShape &op) {
  auto scan = cast<ScanOp>(op.op);
  Block &body = scan.getBody().front();
  unsigned numScanned = scan.getNumScanInputs();
  unsigned numCarried = scan.getNumOperands() - numScanned;
  auto inputAxes = op.list("scan_input_axes");
  auto outputAxes = op.list("scan_output_axes");
  LoopBody runner(op, body, 0, numCarried, 0);
  for (unsigned i = 0; i < numCarried; ++i)
    runner.start(i, op.shape(i));
  Expr trips;
  for (unsigned i = 0; i < numScanned; ++i) {
    const Shape *shape = op.shape(numCarried + i);
    if (!shape)
      continue;
    std::optional<int64_t> axis = op.axis(entry(inputAxes, i), shape->size());
    if (!axis)
      return failure();
    if (failed(op.require(trips, (*shape)[*axis], "scanned dimensions")))
      return failure();
    trips = (*shape)[*axis];
    Shape slice = *shape;
    slice.erase(slice.begin() + *axis);
    op.inference.setShape(body.getArgument(numCarried + i), std::move(slice));
  }
  if (failed(runner.run()))
    return failure();
  for (unsigned i = 0; i < op.results.size(); ++i) {
    const Shape *shape = runner.yielded(i);
    if (!shape)
      continue;
    Shape result = visibleOutside(op, *shape);
    if (i >= numCarried) {
      std::optional<int64_t> axis =
          op.axis(entry(outputAxes, i - numCarried), result.size() + 1);
      if (!axis)
        return failure();
      result.insert(result.begin() + *axis, trips);
    }
    op.set(i, std::move(result));
  }
  return success();
}

void hybrid::onnx::addControlFlowShapes(ShapeFunctions &functions) {
  functions["If"] = ifShapes;
  functions["Loop"] = loopShapes;
  functions["Scan"] = scanShapes;
}
