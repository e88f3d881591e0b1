//===- Contraction.cpp - Products summed over indices ---------------------===//

#include "Contraction.h"

#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace hybrid::onnx {

std::optional<Contraction> Contraction::get(GraphView &view, Value value) {
  int64_t rank = view.getRank(value);
  if (rank < 0)
    return std::nullopt;
  Contraction contraction(view);
  contraction.numLabels = rank;
  contraction.flatten(
      value, llvm::to_vector(llvm::seq<int>(0, static_cast<int>(rank))));
  return contraction;
}

Contraction Contraction::getAt(GraphView &view, Value value,
                               ArrayRef<int> labels, int numReserved) {
  Contraction contraction(view);
  contraction.readsPositions = true;
  contraction.numLabels = numReserved;
  for (int label : labels)
    contraction.numLabels = std::max(contraction.numLabels, label + 1);
  contraction.flatten(value, labels);
  return contraction;
}

Value Contraction::getOnly(ArrayRef<int> labels) const {
  return factors.size() == 1 && ArrayRef<int>(factors[0].labels) == labels
             ? factors[0].value
             : Value();
}

void Contraction::flatten(Value value, ArrayRef<int> labels) {
  constexpr unsigned kMostFactors = 8;
  Operation *op = value.getDefiningOp();
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(value.getType()));
  if (op && isFloat && factors.size() < kMostFactors &&
      (flattenEinsum(op, labels) || flattenProduct(op, labels) ||
       flattenMatMul(op, labels) || flattenSum(op, labels) ||
       flattenView(op, labels) ||
       (readsPositions && flattenPosition(value, labels))))
    return;
  factors.push_back({value, SmallVector<int, 5>(labels)});
}

SmallVector<int, 5> getBroadcastLabels(const GraphView &view, Value operand,
                                       Value result, ArrayRef<int> labels) {
  int64_t rank = view.getRank(operand);
  SmallVector<int, 5> own(labels.take_back(static_cast<size_t>(rank)));
  for (int64_t dim = 1; dim <= rank; ++dim)
    if (view.isFixed(view.getDim(operand, -dim), 1) &&
        !view.isFixed(view.getDim(result, -dim), 1))
      own[rank - dim] = -1;
  return own;
}

bool Contraction::flattenEinsum(Operation *op, ArrayRef<int> labels) {
  auto einsum = dyn_cast<EinsumOp>(op);
  if (!einsum)
    return false;
  std::string equation;
  for (char c : einsum.getEquation())
    if (c != ' ')
      equation += c;
  auto [left, right] = StringRef(equation).split("->");
  SmallVector<StringRef> inputs;
  left.split(inputs, ',');
  auto isPlain = [](StringRef indices) {
    for (size_t i = 0; i < indices.size(); ++i)
      if (!llvm::isAlpha(indices[i]) || indices.find(indices[i]) != i)
        return false;
    return true;
  };
  // An ellipsis, a diagonal or an implicit output.
  if (!StringRef(equation).contains("->") ||
      inputs.size() != einsum.getInputs().size() ||
      !llvm::all_of(inputs, isPlain) || !isPlain(right) ||
      right.size() != labels.size())
    return false;
  DenseMap<char, int> known;
  for (auto [letter, label] : llvm::zip(right, labels))
    known[letter] = label;
  for (auto [indices, input] : llvm::zip(inputs, einsum.getInputs()))
    if (view.getRank(input) != static_cast<int64_t>(indices.size()))
      return false;
  for (auto [indices, input] : llvm::zip(inputs, einsum.getInputs())) {
    SmallVector<int, 5> own;
    for (char letter : indices) {
      auto [it, isNew] = known.try_emplace(letter, numLabels);
      numLabels += isNew;
      own.push_back(it->second);
    }
    flatten(input, own);
  }
  return true;
}

bool Contraction::flattenProduct(Operation *op, ArrayRef<int> labels) {
  if (!isa<MulOp>(op) || llvm::any_of(op->getOperands(), [&](Value operand) {
        return view.getRank(operand) < 0;
      }))
    return false;
  for (Value operand : op->getOperands())
    flatten(operand,
            getBroadcastLabels(view, operand, op->getResult(0), labels));
  return true;
}

bool Contraction::flattenMatMul(Operation *op, ArrayRef<int> labels) {
  if (!isa<MatMulOp>(op))
    return false;
  Value a = op->getOperand(0), b = op->getOperand(1);
  if (view.getRank(a) < 2 || view.getRank(b) < 2)
    return false;
  int inner = numLabels++;
  auto getLabels = [&](Value operand, int row, int column) {
    SmallVector<int, 5> own =
        getBroadcastLabels(view, operand, op->getResult(0), labels);
    own[own.size() - 2] = row;
    own.back() = column;
    return own;
  };
  flatten(a, getLabels(a, labels[labels.size() - 2], inner));
  flatten(b, getLabels(b, inner, labels.back()));
  return true;
}

bool Contraction::flattenSum(Operation *op, ArrayRef<int> labels) {
  auto sum = dyn_cast<ReduceSumOp>(op);
  if (!sum || isa<NoneType>(sum.getAxes().getType()))
    return false;
  std::optional<SmallVector<int64_t>> axes = view.getIntegers(sum.getAxes());
  int64_t rank = view.getRank(sum.getData());
  if (!axes || axes->empty() || rank < 0)
    return false;
  SmallVector<bool> isSummed(rank, false);
  for (int64_t axis : *axes) {
    int64_t dim = view.normalizeAxis(sum.getData(), axis);
    if (dim < 0)
      return false;
    isSummed[dim] = true;
  }
  bool keeps = sum.getKeepdims() != 0;
  SmallVector<int, 5> own;
  size_t next = 0;
  for (bool summed : isSummed) {
    own.push_back(summed ? numLabels++ : labels[next]);
    next += !summed || keeps;
  }
  flatten(sum.getData(), own);
  return true;
}

/// One position of a dimension: gone, or left with size 1.
bool Contraction::flattenPosition(Value value, ArrayRef<int> labels) {
  Operation *op = value.getDefiningOp();
  Value data = op->getOperand(0);
  SmallVector<int, 5> own(labels);
  if (auto gather = dyn_cast<GatherOp>(op)) {
    std::optional<int64_t> index = view.getInteger(gather.getIndices());
    int64_t dim =
        view.normalizeAxis(data, static_cast<int64_t>(gather.getAxis()));
    if (!index || view.getRank(gather.getIndices()) != 0 || dim < 0)
      return false;
    std::optional<int64_t> size = view.getFixedDim(data, dim);
    if (*index < 0 && !size)
      return false;
    own.insert(own.begin() + dim,
               getFixedLabel(*index < 0 ? *index + *size : *index));
    flatten(data, own);
    return true;
  }
  if (auto slice = dyn_cast<SliceOp>(op)) {
    std::optional<SliceRange> range = view.getSlice(slice);
    auto start = range ? dyn_cast<AffineConstantExpr>(range->start)
                       : AffineConstantExpr();
    if (!start || !view.isFixed(range->length, 1))
      return false;
    if (!view.isFixed(view.getDim(data, range->axis), 1))
      own[range->axis] = getFixedLabel(start.getValue());
    flatten(data, own);
    return true;
  }
  if (auto split = dyn_cast<SplitOp>(op)) {
    int64_t dim =
        view.normalizeAxis(data, static_cast<int64_t>(split.getAxis()));
    if (dim < 0 || llvm::any_of(op->getResults(), [&](Value result) {
          return !view.isFixed(view.getDim(result, dim), 1);
        }))
      return false;
    own[dim] = getFixedLabel(cast<OpResult>(value).getResultNumber());
    flatten(data, own);
    return true;
  }
  return false;
}

bool Contraction::flattenView(Operation *op, ArrayRef<int> labels) {
  Value data = op->getNumOperands() ? op->getOperand(0) : Value();
  int64_t rank = data ? view.getRank(data) : -1;
  if (rank < 0)
    return false;
  if (isa<IdentityOp>(op)) {
    flatten(data, labels);
    return true;
  }
  if (auto gather = dyn_cast<GatherOp>(op)) {
    // The only element of a dimension.
    int64_t dim =
        view.normalizeAxis(data, static_cast<int64_t>(gather.getAxis()));
    if (view.getRank(gather.getIndices()) != 0 || dim < 0 ||
        !view.isFixed(view.getDim(data, dim), 1))
      return false;
    SmallVector<int, 5> own(labels);
    own.insert(own.begin() + dim, -1);
    flatten(data, own);
    return true;
  }
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    if (!transpose.getPerm())
      return false;
    SmallVector<int, 5> own(static_cast<size_t>(rank), -1);
    for (auto [label, dim] : llvm::zip(labels, *transpose.getPerm()))
      own[dim] = label;
    flatten(data, own);
    return true;
  }
  if (isa<UnsqueezeOp, SqueezeOp>(op)) {
    if (isa<NoneType>(op->getOperand(1).getType()))
      return false;
    Value larger = isa<UnsqueezeOp>(op) ? op->getResult(0) : data;
    std::optional<SmallVector<int64_t>> axes =
        view.getIntegers(op->getOperand(1));
    if (!axes || view.getRank(larger) < 0)
      return false;
    SmallVector<bool> isAdded(view.getRank(larger), false);
    for (int64_t axis : *axes) {
      int64_t dim = view.normalizeAxis(larger, axis);
      if (dim < 0)
        return false;
      isAdded[dim] = true;
    }
    SmallVector<int, 5> own;
    if (isa<UnsqueezeOp>(op)) {
      for (auto [label, added] : llvm::zip(labels, isAdded))
        if (!added)
          own.push_back(label);
    } else {
      size_t next = 0;
      for (bool added : isAdded)
        own.push_back(added ? -1 : labels[next++]);
    }
    flatten(data, own);
    return true;
  }
  if (isa<ExpandOp>(op)) {
    flatten(data, getBroadcastLabels(view, data, op->getResult(0), labels));
    return true;
  }
  return false;
}

} // namespace hybrid::onnx
