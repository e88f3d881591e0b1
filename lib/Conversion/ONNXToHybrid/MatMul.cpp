//===- MatMul.cpp - ONNX matrix products to linalg ------------------------===//

#include "Contraction.h"
#include "Scalars.h"

#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXQuantOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"

using namespace mlir;
using namespace hybrid;

namespace {
/// Labels of a matrix product. Batch dimensions are 0, 1, … from the last one.
enum : Label { kRow = -1, kColumn = -2, kInner = -3 };

/// Which way round a stack of matrices lies in memory.
struct Orientation {
  bool transposed = false;
  /// The first dimension and the batch dimensions changed places: the matrix's
  /// first dimension is the tensor's first.
  bool batchTransposed = false;
};
} // namespace

static Labels getBatchLabels(unsigned count) {
  Labels labels;
  for (unsigned i = 0; i < count; ++i)
    labels.push_back(count - 1 - i);
  return labels;
}

/// The labels of a stack of matrices [outer, inner]; a vector is `inner` alone.
static Labels getMatrixLabels(unsigned rank, Label first, Label second,
                              Orientation orientation) {
  if (rank == 1)
    return {kInner};
  if (orientation.transposed)
    std::swap(first, second);
  Labels labels = getBatchLabels(rank - 2);
  labels.insert(orientation.batchTransposed ? labels.begin() : labels.end(),
                first);
  labels.push_back(second);
  return labels;
}

/// The size of a loop: a static one if there is one, 1 only if all are 1.
static void addSize(Lowering &lowering, LabelSizes &sizes, Label label,
                    AffineExpr size) {
  AffineExpr &current = sizes[label];
  if (!current || lowering.isOne(current) ||
      (lowering.getFixed(size) && !lowering.isOne(size)))
    current = size;
}

/// The product, in the accumulator's type unless `resultType` is given.
static Tensor buildMatMul(Lowering &lowering, const Tensor &a, const Tensor &b,
                          ShapeRef shape, Type resultType = {},
                          Orientation orientationA = {},
                          Orientation orientationB = {}) {
  LabeledTensor left = {
      a, getMatrixLabels(a.getRank(), kRow, kInner, orientationA)};
  LabeledTensor right = {
      b, getMatrixLabels(b.getRank(), kInner, kColumn, orientationB)};
  unsigned vectors = (a.getRank() == 1) + (b.getRank() == 1);
  Labels output = getBatchLabels(shape.size() + vectors - 2);
  if (a.getRank() > 1)
    output.push_back(kRow);
  if (b.getRank() > 1)
    output.push_back(kColumn);
  LabelSizes sizes;
  for (const LabeledTensor *operand : {&left, &right})
    for (auto [label, dim] : llvm::zip(operand->labels, operand->tensor.shape))
      addSize(lowering, sizes, label, dim);
  for (auto [label, dim] : llvm::zip(output, shape))
    sizes[label] = dim;
  return contract(lowering, left, right, output, sizes, resultType);
}

static LogicalResult checkOperands(Lowering &lowering, Operation *op) {
  Type a = lowering.elementType(op->getOperand(0));
  Type b = lowering.elementType(op->getOperand(1));
  if (a != b)
    return lowering.unsupported(op, "the matrices' element types differ",
                                "insert a Cast");
  if (!isa<FloatType>(a) && (!isa<IntegerType>(a) || a.isInteger(1)))
    return lowering.unsupported(op, "the matrices are not numeric",
                                "float and integer matrices work");
  if (lowering.rank(op->getOperand(0)) == 0 ||
      lowering.rank(op->getOperand(1)) == 0)
    return lowering.unsupported(op, "a scalar is not a matrix", "use Mul");
  return success();
}

static LogicalResult lowerMatMul(onnx::MatMulOp op, Lowering &lowering) {
  if (failed(checkOperands(lowering, op)))
    return failure();
  Value result = op.getY();
  lowering.set(result,
               buildMatMul(lowering, lowering.get(op.getA()),
                           lowering.get(op.getB()), lowering.shape(result),
                           lowering.elementType(result)));
  return success();
}

/// alpha · product + beta · addend, rounded once. `addend` may be absent.
static Tensor scaleAndAdd(Lowering &lowering, const Tensor &product,
                          double alpha, const Tensor &addend, double beta,
                          Type elementType) {
  SmallVector<Tensor> inputs = {product};
  if (addend)
    inputs.push_back(addend);
  if (inputs.size() == 1 && alpha == 1.0)
    return lowering.cast(product, elementType);
  Type compute = product.getElementType();
  return lowering.elementwise(inputs, product.shape, elementType,
                              [&](OpBuilder &b, Location loc, ValueRange args) {
                                Scalars s{b, loc};
                                Value result = args[0];
                                if (alpha != 1.0)
                                  result =
                                      s.mul(result, s.number(compute, alpha));
                                if (args.size() == 1)
                                  return s.convert(result, elementType);
                                Value c = s.convert(args[1], compute);
                                if (beta != 1.0)
                                  c = s.mul(c, s.number(compute, beta));
                                return s.convert(s.add(result, c), elementType);
                              });
}

/// Integers have no fractions of themselves.
static LogicalResult checkFactor(Lowering &lowering, Operation *op,
                                 StringRef name, double factor) {
  if (isa<FloatType>(lowering.elementType(op->getOperand(0))) ||
      factor == std::trunc(factor))
    return success();
  return lowering.unsupported(
      op, name + Twine(" is not an integer, but the matrices are"),
      "float matrices, or " + name + Twine(" = 1, work"));
}

static LogicalResult lowerGemm(onnx::GemmOp op, Lowering &lowering) {
  if (failed(checkOperands(lowering, op)))
    return failure();
  if (lowering.rank(op.getA()) != 2 || lowering.rank(op.getB()) != 2)
    return lowering.unsupported(op, "A and B are not both of rank 2",
                                "use MatMul");
  double alpha = op.getAlpha().convertToDouble();
  double beta = op.getBeta().convertToDouble();
  if (failed(checkFactor(lowering, op, "alpha", alpha)) ||
      failed(checkFactor(lowering, op, "beta", beta)))
    return failure();
  Value result = op.getY();
  Tensor product =
      buildMatMul(lowering, lowering.get(op.getA()), lowering.get(op.getB()),
                  lowering.shape(result), Type(), {op.getTransA() != 0},
                  {op.getTransB() != 0});
  Tensor addend = beta == 0.0 ? Tensor() : lowering.get(op.getC());
  lowering.set(result, scaleAndAdd(lowering, product, alpha, addend, beta,
                                   lowering.elementType(result)));
  return success();
}

static LogicalResult lowerFusedMatMul(onnx::MsFusedMatMulOp op,
                                      Lowering &lowering) {
  if (failed(checkOperands(lowering, op)))
    return failure();
  double alpha = op.getAlpha().convertToDouble();
  if (failed(checkFactor(lowering, op, "alpha", alpha)))
    return failure();
  Value result = op.getY();
  Type elementType = lowering.elementType(result);
  Tensor product =
      buildMatMul(lowering, lowering.get(op.getA()), lowering.get(op.getB()),
                  lowering.shape(result), alpha == 1.0 ? elementType : Type(),
                  {op.getTransA() != 0, op.getTransBatchA() != 0},
                  {op.getTransB() != 0, op.getTransBatchB() != 0});
  lowering.set(result, scaleAndAdd(lowering, product, alpha, Tensor(), 0.0,
                                   elementType));
  return success();
}

//===----------------------------------------------------------------------===//
// MatMulInteger
//===----------------------------------------------------------------------===//

/// The matrix as i32, less its zero point: a scalar, or one per row of A
/// (`axis` -2) or column of B (-1).
static Tensor subtractZeroPoint(Lowering &lowering, Value matrix, Value zero,
                                int64_t axis) {
  Tensor input = lowering.get(matrix);
  bool isUnsigned = lowering.isUnsigned(matrix);
  SmallVector<Tensor> inputs = {input};
  if (!Lowering::isAbsent(zero)) {
    Tensor point = lowering.get(zero);
    if (point.getRank() == 1 && axis == -2)
      point = lowering.unsqueeze(point, 1);
    inputs.push_back(point);
  }
  Type i32 = lowering.b.getI32Type();
  return lowering.elementwise(
      inputs, input.shape, i32, [&](OpBuilder &b, Location loc, ValueRange x) {
        Scalars s{b, loc, isUnsigned};
        Value wide = s.convert(x[0], i32);
        return x.size() == 1 ? wide : s.sub(wide, s.convert(x[1], i32));
      });
}

static LogicalResult lowerMatMulInteger(onnx::MatMulIntegerOp op,
                                        Lowering &lowering) {
  for (Value matrix : {op.getA(), op.getB()}) {
    if (!lowering.elementType(matrix).isInteger(8))
      return lowering.unsupported(op, "a matrix is not of 8-bit integers");
    if (lowering.rank(matrix) == 0)
      return lowering.unsupported(op, "a scalar is not a matrix");
  }
  Tensor a = subtractZeroPoint(lowering, op.getA(), op.getAZeroPoint(), -2);
  Tensor b = subtractZeroPoint(lowering, op.getB(), op.getBZeroPoint(), -1);
  Value result = op.getY();
  lowering.set(result, buildMatMul(lowering, a, b, lowering.shape(result)));
  return success();
}

void hybrid::registerMatMul(Registry &registry) {
  registry.add<onnx::MatMulOp>(lowerMatMul);
  registry.add<onnx::GemmOp>(lowerGemm);
  registry.add<onnx::MsFusedMatMulOp>(lowerFusedMatMul);
  registry.add<onnx::MatMulIntegerOp>(lowerMatMulInteger);
}
