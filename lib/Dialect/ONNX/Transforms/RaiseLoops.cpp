//===- RaiseLoops.cpp - pass onnx-raise-loops -----------------------------===//
//
// A Scan, or a Loop over the positions of its operands, that carries one state
// and whose body is a step of LinearAttention. What else the body computes does
// not depend on the state: it is computed for all positions at once, outside,
// with time in front of all other dimensions.
//
//===----------------------------------------------------------------------===//

#include "RecurrentStep.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"
#include "llvm/ADT/Sequence.h"

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXRAISELOOPS
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

namespace {

/// A Scan or Loop as both say the same.
class Steps {
public:
  Steps(GraphView &view, Operation *op) : view(view), op(op) {}

  /// Null, or why its iterations are not the positions of tensors.
  const char *match();

  Block &getBody() { return op->getRegion(0).front(); }
  Value getInitial() const { return initial; }
  BlockArgument getState() { return state; }
  Value getNext() { return next; }
  Value getLast() { return op->getResult(0); }
  /// What each iteration gives for scan output `i`.
  ArrayRef<Value> getYields() const { return yields; }
  Value getOutput(unsigned i) { return op->getResult(1 + i); }
  int64_t getOutputAxis(unsigned i);
  /// The number of iterations.
  AffineExpr getLength() const { return length; }
  /// What an iteration has one position of, and along which axis; `keeps`: as a
  /// dimension of size 1. None for other values.
  struct Position {
    Value whole;
    int64_t axis;
    bool keeps = false;
  };
  std::optional<Position> getPosition(Value value);

private:
  const char *matchScan(ScanOp scan);
  const char *matchLoop(LoopOp loop);
  bool isTrue(Value value);
  bool isIteration(Value value);

  GraphView &view;
  Operation *op;
  Value initial, next;
  BlockArgument state;
  SmallVector<Value> yields;
  AffineExpr length;
};

const char *Steps::match() {
  if (auto scan = dyn_cast<ScanOp>(op))
    return matchScan(scan);
  return matchLoop(cast<LoopOp>(op));
}

const char *Steps::matchScan(ScanOp scan) {
  Block &body = getBody();
  auto isForward = [](std::optional<ArrayRef<int64_t>> directions) {
    return !directions || llvm::all_of(*directions, [](int64_t direction) {
      return direction == 0;
    });
  };
  if (scan->getNumOperands() != 1 + scan.getNumScanInputs() ||
      scan.getNumScanInputs() == 0)
    return "it carries more than one value, or none";
  if (!isForward(scan.getScanInputDirections()) ||
      !isForward(scan.getScanOutputDirections()))
    return "it scans backward";
  initial = scan->getOperand(0);
  std::optional<Position> first = getPosition(body.getArgument(1));
  length = first ? view.getDim(first->whole, first->axis) : AffineExpr();
  if (!length)
    return "the number of positions is not known";
  state = body.getArgument(0);
  Operation *end = body.getTerminator();
  next = end->getOperand(0);
  llvm::append_range(yields, llvm::drop_begin(end->getOperands()));
  return nullptr;
}

bool Steps::isTrue(Value value) {
  if (value == getBody().getArgument(1))
    return true;
  if (auto identity = value.getDefiningOp<IdentityOp>())
    return isTrue(identity.getInput());
  if (auto cast = value.getDefiningOp<CastOp>())
    return isTrue(cast.getInput());
  return view.getInteger(value) == 1 || view.isNumber(value, 1) ||
         view.isNumber(value, -1);
}

const char *Steps::matchLoop(LoopOp loop) {
  Block &body = getBody();
  if (loop.getVInitial().size() != 1)
    return "it carries more than one value, or none";
  Operation *end = body.getTerminator();
  bool mayStop =
      (!isa<NoneType>(loop.getCond().getType()) && !isTrue(loop.getCond())) ||
      !isTrue(end->getOperand(0));
  if (isa<NoneType>(loop.getM().getType()) || mayStop)
    return "its number of iterations is not known before";
  std::optional<SmallVector<AffineExpr>> count = view.getElements(loop.getM());
  if (!count || count->size() != 1)
    return "its number of iterations is not known before";
  length = count->front();
  initial = loop.getVInitial()[0];
  state = body.getArgument(2);
  next = end->getOperand(1);
  llvm::append_range(yields, llvm::drop_begin(end->getOperands(), 2));
  return nullptr;
}

int64_t Steps::getOutputAxis(unsigned i) {
  auto scan = dyn_cast<ScanOp>(op);
  std::optional<ArrayRef<int64_t>> axes =
      scan ? scan.getScanOutputAxes() : std::nullopt;
  return axes && i < axes->size() ? view.normalizeAxis(getOutput(i), (*axes)[i])
                                  : 0;
}

bool Steps::isIteration(Value value) {
  while (auto same = value.getDefiningOp()) {
    if (!isa<IdentityOp, CastOp, UnsqueezeOp, ReshapeOp>(same))
      return false;
    value = same->getOperand(0);
  }
  return value == getBody().getArgument(0);
}

std::optional<Steps::Position> Steps::getPosition(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  if (auto scan = dyn_cast<ScanOp>(op)) {
    if (!argument || argument.getOwner() != &getBody() ||
        argument.getArgNumber() == 0)
      return std::nullopt;
    unsigned i = argument.getArgNumber();
    Value whole = op->getOperand(i);
    std::optional<ArrayRef<int64_t>> axes = scan.getScanInputAxes();
    int64_t axis = axes && i <= axes->size() ? (*axes)[i - 1] : 0;
    return Position{whole, view.normalizeAxis(whole, axis)};
  }
  auto isWhole = [&](Value whole, int64_t axis) {
    return !getBody().getParent()->isAncestor(whole.getParentRegion()) &&
           axis >= 0 && view.isEqual(view.getDim(whole, axis), length);
  };
  if (auto gather = value.getDefiningOp<GatherOp>()) {
    Value whole = gather.getData();
    int64_t axis =
        view.normalizeAxis(whole, static_cast<int64_t>(gather.getAxis()));
    int64_t rank = view.getRank(gather.getIndices());
    if (rank < 0 || rank > 1 || !isIteration(gather.getIndices()) ||
        !isWhole(whole, axis))
      return std::nullopt;
    return Position{whole, axis, rank == 1};
  }
  return std::nullopt;
}

/// Computes for all positions what the body computes for one.
class Lifting {
public:
  Lifting(GraphView &view, RaisedBuilder &raised, StepRows &rows, Steps &steps)
      : view(view), raised(raised), rows(rows), steps(steps) {}

  /// Whether `get` has a result, once `known` is set.
  bool canGet(Value value, Value known = Value());
  /// `value` [...] as [T, ...], or as it is where it is the same for all.
  Value get(Value value);
  void set(Value value, Value whole) { lifted[value] = whole; }
  /// One position of `whole` as `get` gives it.
  Value getPosition(const Steps::Position &position);
  bool isOutside(Value value) {
    return !steps.getBody().getParent()->isAncestor(value.getParentRegion());
  }
  /// Whether the positions may differ.
  bool hasTime(Value value);

private:
  static bool isElementwise(Operation *op) {
    return isa<AbsOp, AddOp, CastOp, DivOp, ExpOp, IdentityOp, LogOp, MulOp,
               NegOp, PowOp, ReciprocalOp, ReluOp, SigmoidOp, SoftplusOp,
               SqrtOp, SubOp, TanhOp>(op);
  }
  Value align(Value operand, int64_t rank);

  GraphView &view;
  RaisedBuilder &raised;
  StepRows &rows;
  Steps &steps;
  DenseMap<Value, Value> lifted;
};

bool Lifting::canGet(Value value, Value known) {
  if (isOutside(value) || value == known || steps.getPosition(value))
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || view.getRank(value) < 0)
    return false;
  if (isa<ConstantOp, InitializerOp>(op))
    return true;
  if (isElementwise(op))
    return llvm::all_of(op->getOperands(), [&](Value operand) {
      return view.getRank(operand) >= 0 && canGet(operand, known);
    });
  if (isa<UnsqueezeOp, SqueezeOp>(op))
    return view.getIntegers(op->getOperand(1)) &&
           canGet(op->getOperand(0), known);
  auto transpose = dyn_cast<TransposeOp>(op);
  return transpose && transpose.getPerm() && canGet(transpose.getData(), known);
}

bool Lifting::hasTime(Value value) {
  if (isOutside(value))
    return false;
  if (lifted.contains(value))
    return view.getRank(lifted[value]) > view.getRank(value);
  if (steps.getPosition(value))
    return true;
  Operation *op = value.getDefiningOp();
  return op && llvm::any_of(op->getOperands(),
                            [&](Value operand) { return hasTime(operand); });
}

/// The lifted operand, with dimensions between time and its own, to broadcast
/// to `rank` dimensions and time.
Value Lifting::align(Value operand, int64_t rank) {
  Value whole = get(operand);
  if (!hasTime(operand))
    return whole;
  return rows.unsqueeze(whole, llvm::to_vector(llvm::seq<int64_t>(
                                   1, 1 + rank - view.getRank(operand))));
}

Value Lifting::getPosition(const Steps::Position &position) {
  SmallVector<int64_t> perm = {position.axis};
  for (int64_t dim : llvm::seq<int64_t>(0, view.getRank(position.whole)))
    if (dim != position.axis)
      perm.push_back(dim);
  Value whole = rows.transpose(position.whole, perm);
  return position.keeps ? rows.unsqueeze(whole, {position.axis + 1}) : whole;
}

Value Lifting::get(Value value) {
  if (isOutside(value))
    return value;
  if (auto it = lifted.find(value); it != lifted.end())
    return it->second;
  if (std::optional<Steps::Position> position = steps.getPosition(value))
    return lifted[value] = getPosition(*position);
  Operation *op = value.getDefiningOp();
  SmallVector<AffineExpr> shape = view.getShape(value);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    operands.push_back(isElementwise(op) ? align(operand, shape.size())
                                         : get(operand));
  }
  AffineExpr time;
  for (Value operand : op->getOperands())
    if (hasTime(operand))
      time = view.getDim(get(operand), 0);
  if (time && isa<UnsqueezeOp, SqueezeOp>(op)) {
    Value larger = isa<UnsqueezeOp>(op) ? value : op->getOperand(0);
    SmallVector<int64_t> axes;
    std::optional<SmallVector<int64_t>> own =
        view.getIntegers(op->getOperand(1));
    for (int64_t axis : *own)
      axes.push_back(view.normalizeAxis(larger, axis) + 1);
    operands[1] = raised.getIntegers(axes);
  }
  Operation *clone = raised.builder.clone(*op);
  clone->setOperands(operands);
  if (auto transpose = dyn_cast<TransposeOp>(clone); transpose && time) {
    SmallVector<int64_t> perm = {0};
    ArrayRef<int64_t> own = *transpose.getPerm();
    for (int64_t dim : own)
      perm.push_back(dim + 1);
    transpose.setPerm(perm);
  }
  if (time)
    shape.insert(shape.begin(), time);
  Value result = clone->getResult(0);
  result.setType(getTensorType(shape, getElementTypeOrSelf(value.getType())));
  view.setShape(result, shape);
  return lifted[value] = result;
}

/// The recurrence in one Scan or Loop.
template <typename LoopTy>
class Recurrence {
public:
  Recurrence(GraphView &view, LoopTy op)
      : view(view), op(op), steps(view, op), raised(op.getOperation()),
        rows(view, &raised), lifting(view, raised, rows, steps) {}

  bool isCandidate() { return op->getNumResults() > 0; }
  const char *match();
  void rewrite();
  Operation *getResultOp() { return op; }
  StringRef getMeaning() const { return "its steps became LinearAttention"; }

private:
  void lift(SmallVectorImpl<Factor> &factors);
  Value getWholeLogarithm(Value decay);

  GraphView &view;
  LoopTy op;
  Steps steps;
  RecurrentStep step;
  RaisedBuilder raised;
  StepRows rows;
  Lifting lifting;
};

template <typename LoopTy>
const char *Recurrence<LoopTy>::match() {
  if (const char *why = steps.match())
    return why;
  Value next = steps.getNext();
  while (auto identity = next.getDefiningOp<IdentityOp>())
    next = identity.getInput();
  if (const char *why = step.match(view, next, steps.getState()))
    return why;
  for (const Factor &factor : step.decays) {
    std::optional<Steps::Position> position = steps.getPosition(factor.value);
    if (!isDecay(position ? position->whole : factor.value))
      return "the decay is provably no exponential";
  }
  for (ArrayRef<Factor> list :
       {ArrayRef<Factor>(step.decays), ArrayRef<Factor>(step.keys),
        ArrayRef<Factor>(step.values), ArrayRef<Factor>(step.betas),
        ArrayRef<Factor>(step.queries)})
    for (const Factor &factor : list) {
      if (!lifting.canGet(factor.value))
        return "a factor cannot be computed for all positions at once";
      if (llvm::any_of(factor.labels, [](int label) { return label < -1; }))
        return "a factor is the same position of a tensor in each step";
    }
  for (Value value : steps.getYields())
    if (!lifting.canGet(value, step.read) ||
        (value != step.read && !lifting.hasTime(value)))
      return "an output cannot be computed for all positions at once";
  if (!llvm::any_of(step.values, [&](const Factor &factor) {
        return lifting.hasTime(factor.value);
      }))
    return "the values do not depend on the position";
  if (!view.haveSameShape(steps.getInitial(), steps.getState()))
    return "the state changes its shape";
  return rows.setSizes(step, view.getDim(steps.getInitial(), 0),
                       steps.getLength());
}

/// The logarithm of a factor of the decay, for all positions.
template <typename LoopTy>
Value Recurrence<LoopTy>::getWholeLogarithm(Value decay) {
  if (std::optional<Steps::Position> position = steps.getPosition(decay)) {
    position->whole = rows.getLogarithm(position->whole);
    return lifting.getPosition(*position);
  }
  auto exponential = decay.getDefiningOp<ExpOp>();
  return exponential ? lifting.get(exponential->getOperand(0))
                     : rows.getLogarithm(lifting.get(decay));
}

template <typename LoopTy>
void Recurrence<LoopTy>::lift(SmallVectorImpl<Factor> &factors) {
  for (Factor &factor : factors) {
    bool hasTime = lifting.hasTime(factor.value);
    factor.value = lifting.get(factor.value);
    if (hasTime)
      factor.labels.insert(factor.labels.begin(), kStepTime);
  }
}

template <typename LoopTy>
void Recurrence<LoopTy>::rewrite() {
  RecurrentStep whole = step;
  for (Factor factor : whole.decays) {
    if (lifting.hasTime(factor.value))
      factor.labels.insert(factor.labels.begin(), kStepTime);
    factor.value = getWholeLogarithm(factor.value);
    whole.logarithms.push_back({factor});
  }
  for (auto *list : {&whole.keys, &whole.values, &whole.betas, &whole.queries})
    lift(*list);
  auto [output, last] = rows.make(whole, steps.getInitial());
  SmallVector<int> order = {kStepTime};
  llvm::append_range(order, step.readLabels);
  lifting.set(step.read, rows.arrange(output, order));
  for (auto [i, value] : llvm::enumerate(steps.getYields())) {
    Value result = steps.getOutput(i);
    Value all = lifting.get(value);
    SmallVector<int64_t> perm =
        llvm::to_vector(llvm::seq<int64_t>(1, view.getRank(all)));
    perm.insert(perm.begin() + steps.getOutputAxis(i), 0);
    view.replace(result, rows.transpose(all, perm));
  }
  view.replace(steps.getLast(), last);
  op->erase();
}

struct RaiseLoops : hybrid::onnx::impl::ONNXRaiseLoopsBase<RaiseLoops> {
  void runOnOperation() override {
    auto raise = [&](GraphView &view) {
      raiseGroups<ScanOp, Recurrence<ScanOp>>(view, numRaised, numRefused);
      raiseGroups<LoopOp, Recurrence<LoopOp>>(view, numRaised, numRefused);
    };
    if (failed(raiseIn(getOperation(), getArgument(), raise)))
      signalPassFailure();
  }
};

} // namespace
