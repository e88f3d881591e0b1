//===- CostModel.cpp - what launches cost at given sizes ------------------===//
//
// The rules are those of HybridCostModel.cpp, which knows hybrid operations:
// whatever is read or written counts once, here per launch. What passes from
// one operation of a kernel to another stays in registers and counts nothing.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Schedule/CostModel.h"

#include "hybrid/Dialect/Hybrid/Transforms/Views.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace hybrid {

using Shape = ShapeEvaluator::Shape;

LaunchCost &LaunchCost::operator+=(const LaunchCost &other) {
  Cost::operator+=(other);
  weightBytes += other.weightBytes;
  matrixFlops += other.matrixFlops;
  if (!matrixBits || (other.matrixBits && other.matrixBits < matrixBits))
    matrixBits = other.matrixBits;
  return *this;
}

static double getCount(ArrayRef<int64_t> shape) {
  double count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

static double getBytes(Value value, ArrayRef<int64_t> shape) {
  Type type = cast<ShapedType>(value.getType()).getElementType();
  double bits = type.isIntOrFloat() ? type.getIntOrFloatBitWidth() : 64;
  // Truth values have a byte each.
  return getCount(shape) * (bits == 1 ? 8 : bits) / 8;
}

Origin getOrigin(Value value) {
  while (Operation *op = (value = skipViews(value)).getDefiningOp()) {
    if (isa<WeightOp, ConcatWeightsOp, DequantizeWeightOp, PackWeightsOp>(op) ||
        op->hasTrait<OpTrait::ConstantLike>())
      return Origin::Weight;
    if (isa<ReadStateOp>(op))
      return Origin::State;
    auto destination = dyn_cast<DestinationStyleOpInterface>(op);
    if (!destination)
      break;
    OpOperand *init = destination.getTiedOpOperand(cast<OpResult>(value));
    if (!readsDestination(op, *init))
      break;
    value = init->get();
  }
  return Origin::Activation;
}

//===----------------------------------------------------------------------===//
// linalg
//===----------------------------------------------------------------------===//

/// FLOPs and exponentials of one point of the iteration space.
static Cost getBodyCost(linalg::LinalgOp op) {
  Cost cost;
  op.getBlock()->walk([&](Operation *inner) {
    if (isa<math::ExpOp, math::Exp2Op, math::ExpM1Op, math::LogOp,
            math::Log1pOp, math::Log2Op, math::Log10Op, math::TanhOp,
            math::ErfOp, math::ErfcOp, math::SinOp, math::CosOp, math::TanOp,
            math::AsinOp, math::AcosOp, math::AtanOp, math::Atan2Op,
            math::SinhOp, math::CoshOp, math::AsinhOp, math::AcoshOp,
            math::AtanhOp, math::PowFOp>(inner))
      cost.exps += 1;
    else if (isa<math::FmaOp>(inner))
      cost.flops += 2;
    else if (isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp,
                 arith::RemFOp, arith::MaximumFOp, arith::MinimumFOp,
                 arith::MaxNumFOp, arith::MinNumFOp, math::SqrtOp,
                 math::RsqrtOp, math::CbrtOp, math::FPowIOp>(inner))
      cost.flops += 1;
  });
  return cost;
}

static double getPoints(linalg::LinalgOp op, ArrayRef<Shape> shapes) {
  SmallVector<int64_t> sizes;
  for (const Shape &shape : shapes)
    llvm::append_range(sizes, shape);
  return getCount(op.getShapesToLoopsMap().compose(sizes));
}

Cost getLinalgCost(Operation *op, ArrayRef<Shape> shapes) {
  auto linalgOp = cast<linalg::LinalgOp>(op);
  Cost cost = getBodyCost(linalgOp);
  double points = getPoints(linalgOp, shapes);
  cost.flops *= points;
  cost.exps *= points;
  return cost;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

namespace {

/// Adds up what the operations of a kernel cost in one launch.
class KernelCost {
public:
  KernelCost(LaunchOp launch, func::FuncOp kernel, ShapeEvaluator &shapes)
      : launch(launch), kernel(kernel), shapes(shapes) {}

  /// None if a shape is unknown.
  std::optional<LaunchCost> compute();

private:
  bool add(Operation &op);
  bool addLinalg(linalg::LinalgOp op, ArrayRef<Shape> operands);
  bool addComputation(CostModelInterface op, ArrayRef<Shape> operands);
  bool read(Value view, double bytes);
  void addTraffic();
  std::optional<SmallVector<Shape>> getOperandShapes(Operation *op);
  /// Whether the kernel returns the value, or what it is inserted into.
  static bool escapes(Value value);
  /// The parameter that `value` views; null if the kernel computes it.
  BlockArgument getParameter(Value value) const {
    return dyn_cast<BlockArgument>(skipViews(value));
  }
  Origin getParameterOrigin(BlockArgument parameter) const {
    // Parameters are the operands but the grid, in their order.
    return getOrigin(launch->getOperand(parameter.getArgNumber()));
  }
  void noteMatrix(double flops, ArrayRef<Value> operands);

  LaunchOp launch;
  func::FuncOp kernel;
  ShapeEvaluator &shapes;
  LaunchCost cost;
  /// Bytes that linalg operations read of each view of each parameter.
  llvm::MapVector<BlockArgument, llvm::SmallMapVector<Value, double, 2>> reads;
};

} // namespace

bool KernelCost::escapes(Value value) {
  for (Operation *user : value.getUsers()) {
    if (isa<func::ReturnOp>(user))
      return true;
    auto insert = dyn_cast<tensor::InsertSliceOp>(user);
    if ((isView(user) || (insert && insert.getSource() == value)) &&
        escapes(user->getResult(0)))
      return true;
  }
  return false;
}

std::optional<SmallVector<Shape>> KernelCost::getOperandShapes(Operation *op) {
  SmallVector<Shape> operands;
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<ShapedType>(operand.getType());
    // linalg has scalars among its operands, as if of rank 0.
    if (!type && !isa<linalg::LinalgOp>(op))
      continue;
    std::optional<Shape> shape = type ? shapes.getShape(operand) : Shape();
    if (!shape)
      return std::nullopt;
    operands.push_back(std::move(*shape));
  }
  return operands;
}

bool KernelCost::read(Value view, double bytes) {
  BlockArgument parameter = getParameter(view);
  if (parameter) {
    double &known = reads[parameter][view];
    known = std::max(known, bytes);
  }
  return bool(parameter);
}

void KernelCost::noteMatrix(double flops, ArrayRef<Value> operands) {
  LaunchCost part;
  part.matrixFlops = flops;
  for (Value operand : operands) {
    unsigned bits = getElementTypeOrSelf(operand).getIntOrFloatBitWidth();
    part.matrixBits = part.matrixBits ? std::min(part.matrixBits, bits) : bits;
  }
  cost += part;
}

bool KernelCost::addLinalg(linalg::LinalgOp op, ArrayRef<Shape> operands) {
  Cost own = getLinalgCost(op, operands);
  static_cast<Cost &>(cost) += own;
  if (op.getNumReductionLoops() && op.getNumDpsInputs() >= 2 && own.flops) {
    SmallVector<Value> factors = op.getDpsInputs();
    llvm::erase_if(factors, [](Value factor) {
      return !isa<FloatType>(getElementTypeOrSelf(factor));
    });
    noteMatrix(own.flops, factors);
  }
  for (OpOperand &operand : op->getOpOperands()) {
    Value value = operand.get();
    if (!isa<ShapedType>(value.getType()))
      continue;
    double bytes = getBytes(value, operands[operand.getOperandNumber()]);
    bool isInit = op.isDpsInit(&operand);
    BlockArgument parameter = getParameter(value);
    if (!isInit ||
        (op.payloadUsesValueFromOperand(&operand) && parameter &&
         !kernel.getArgAttr(parameter.getArgNumber(), kWriteOnlyAttr)))
      read(value, bytes);
    if (isInit && escapes(op.getTiedOpResult(&operand)))
      cost.bytesWritten += bytes;
  }
  double points = getPoints(op, operands);
  op.getBlock()->walk([&](tensor::ExtractOp extract) {
    read(extract.getTensor(), getBytes(extract.getTensor(), {}) * points);
  });
  return true;
}

/// Bytes of an operand that an operation with a result of shape `init` uses: of
/// panels what is no filling, of experts' matrices at most one per row.
static double getBytesUsed(Operation *op, Value value, Shape shape,
                           const Shape &init) {
  if (auto matmul = dyn_cast<MatmulOp>(op);
      matmul && value == matmul.getWeight()) {
    QuantizationAttr form = matmul.getQuantizationAttr();
    shape = {shape[1] * (form ? form.getColumnBytes() : 1), init[1]};
  }
  if (auto matmul = dyn_cast<ExpertMatMulOp>(op);
      matmul && value == matmul.getWeight())
    shape[0] = std::min(shape[0], init[0]);
  return getBytes(value, shape);
}

bool KernelCost::addComputation(CostModelInterface op,
                                ArrayRef<Shape> operands) {
  SmallVector<int64_t> lengths;
  for (Value operand : op->getOperands())
    if (operand.getType().isIndex()) {
      std::optional<int64_t> length = shapes.getIndex(operand);
      if (!length)
        return false;
      lengths.push_back(*length);
    }
  LaunchCost own;
  static_cast<Cost &>(own) = op.getCost(operands, lengths);
  auto destination = cast<DestinationStyleOpInterface>(op.getOperation());
  auto attention = dyn_cast<AttentionOp>(op.getOperation());
  const Shape *shape = operands.begin();
  double rest = 0;
  for (OpOperand &operand : op->getOpOperands()) {
    Value value = operand.get();
    if (!isa<ShapedType>(value.getType()))
      continue;
    double bytes = getBytesUsed(op, value, *shape++, operands.back());
    BlockArgument parameter = getParameter(value);
    if (destination.isDpsInit(&operand)) {
      if (!escapes(destination.getTiedOpResult(&operand)))
        own.bytesWritten -= bytes;
      continue;
    }
    bool isKeyOrValue = attention && (value == attention.getKey() ||
                                      value == attention.getValue());
    if (!isKeyOrValue)
      rest += bytes;
    if (!parameter)
      own.bytesRead -= bytes;
    // Of tables of angles the positions select a part.
    else if (!isKeyOrValue && !isa<RopeOp>(op.getOperation()) &&
             getParameterOrigin(parameter) == Origin::Weight)
      own.weightBytes += bytes;
  }
  if (attention) {
    noteMatrix(own.flops, {attention.getQuery(), attention.getKey()});
    BlockArgument keys = getParameter(attention.getKey());
    if (keys && getParameterOrigin(keys) == Origin::State)
      own.stateBytes += op.getCost(operands, lengths).bytesRead - rest;
  }
  // In chunks nearly all of a scan is products of matrices.
  if (auto scan = dyn_cast<ScanOp>(op.getOperation());
      scan && scan.getForm() == ScanForm::Chunked)
    noteMatrix(own.flops, {scan.getQuery(), scan.getKey()});
  if (auto matmul = dyn_cast<MatmulOp>(op.getOperation()))
    noteMatrix(own.flops, {matmul.getInput(), matmul.getWeight()});
  if (auto matmul = dyn_cast<ExpertMatMulOp>(op.getOperation()))
    noteMatrix(own.flops, {matmul.getInput(), matmul.getWeight()});
  own.bytesRead = std::max(own.bytesRead, 0.0);
  own.bytesWritten = std::max(own.bytesWritten, 0.0);
  cost += own;
  return true;
}

bool KernelCost::add(Operation &op) {
  if (!isa<linalg::LinalgOp, CostModelInterface, tensor::InsertSliceOp>(op))
    return true;
  std::optional<SmallVector<Shape>> operands = getOperandShapes(&op);
  if (!operands)
    return false;
  if (auto linalgOp = dyn_cast<linalg::LinalgOp>(op))
    return addLinalg(linalgOp, *operands);
  if (auto computation = dyn_cast<CostModelInterface>(op))
    return addComputation(computation, *operands);
  auto insert = cast<tensor::InsertSliceOp>(op);
  double bytes = getBytes(insert.getSource(), operands->front());
  if (read(insert.getSource(), bytes))
    cost.bytesWritten += bytes;
  return true;
}

void KernelCost::addTraffic() {
  for (auto &[parameter, views] : reads) {
    double bytes = 0;
    for (auto &[view, part] : views)
      bytes += part;
    if (std::optional<Shape> whole = shapes.getShape(parameter))
      bytes = std::min(bytes, getBytes(parameter, *whole));
    cost.bytesRead += bytes;
    Origin origin = getParameterOrigin(parameter);
    if (origin == Origin::Weight)
      cost.weightBytes += bytes;
    if (origin == Origin::State)
      cost.stateBytes += bytes;
  }
}

std::optional<LaunchCost> KernelCost::compute() {
  if (!kernel.getBody().hasOneBlock())
    return std::nullopt;
  for (Operation &op : kernel.getBody().front())
    if (!add(op))
      return std::nullopt;
  addTraffic();
  return cost;
}

std::optional<LaunchCost> getLaunchCost(LaunchOp launch, ShapeEvaluator &entry,
                                        const SymbolTable &kernels) {
  auto kernel = kernels.lookup<func::FuncOp>(launch.getKernel());
  if (!kernel || kernel.isExternal() || launch.getGrid())
    return std::nullopt;
  ShapeEvaluator inside = entry.nested();
  for (auto [parameter, operand] :
       llvm::zip(kernel.getArguments(), launch->getOperands())) {
    if (isa<ShapedType>(operand.getType())) {
      std::optional<Shape> shape = entry.getShape(operand);
      if (!shape)
        return std::nullopt;
      inside.setShape(parameter, std::move(*shape));
    } else if (std::optional<int64_t> number = entry.getIndex(operand)) {
      inside.setIndex(parameter, *number);
    }
  }
  return KernelCost(launch, kernel, inside).compute();
}

} // namespace hybrid
