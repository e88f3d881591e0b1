//===- EinsumProduct.cpp - Einsum as a product of matrices ----------------===//

#include "EinsumProduct.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace hybrid::onnx {

namespace {
/// The letters of the operands and the result.
struct Equation {
  std::string left, right, result;
};
} // namespace

/// Four different letters each; none for others.
static std::optional<Equation> parse(StringRef text) {
  std::string plain;
  for (char c : text)
    if (!llvm::isSpace(c))
      plain += c;
  auto [operands, result] = StringRef(plain).split("->");
  auto [left, right] = operands.split(',');
  for (StringRef part : {left, right, result}) {
    bool isPlain = part.size() == 4 && llvm::all_of(part, llvm::isAlpha);
    for (size_t i = 0; isPlain && i < part.size(); ++i)
      isPlain = part.find(part[i], i + 1) == StringRef::npos;
    if (!isPlain)
      return std::nullopt;
  }
  return Equation{left.str(), right.str(), result.str()};
}

/// `value`, whose dimensions are `from`, with the dimensions `to`.
static Value transpose(GraphView &view, RaisedBuilder &raised, Value value,
                       StringRef from, StringRef to) {
  if (from == to)
    return value;
  SmallVector<int64_t> permutation;
  SmallVector<AffineExpr> shape, source = view.getShape(value);
  for (char letter : to) {
    permutation.push_back(from.find(letter));
    shape.push_back(source[permutation.back()]);
  }
  auto type = getTensorType(shape, getElementTypeOrSelf(value.getType()));
  Value result =
      raised
          .create<TransposeOp>(
              type, value, 13,
              {raised.builder.getNamedAttr(
                  "perm", raised.builder.getDenseI64ArrayAttr(permutation))})
          .getTransposed();
  view.setShape(result, shape);
  return result;
}

Value createProduct(GraphView &view, EinsumOp einsum, Value left) {
  std::optional<Equation> equation = parse(einsum.getEquation());
  if (!equation || einsum.getInputs().size() != 2)
    return Value();
  Value a = einsum.getInputs()[0], b = einsum.getInputs()[1];
  if (view.getRank(a) != 4 || view.getRank(b) != 4)
    return Value();
  auto swap = [&] {
    std::swap(a, b);
    std::swap(equation->left, equation->right);
  };
  if (left && a != left)
    swap();
  std::string batch, rows, columns, inner;
  for (char letter : equation->left) {
    bool isRight = StringRef(equation->right).contains(letter),
         isResult = StringRef(equation->result).contains(letter);
    if (!isRight && !isResult)
      return Value();
    (!isRight ? rows : isResult ? batch : inner) += letter;
  }
  for (char letter : equation->right)
    if (!StringRef(equation->left).contains(letter))
      columns += letter;
  if (batch.size() != 2 || rows.size() != 1 || columns.size() != 1 ||
      inner.size() != 1 || !StringRef(equation->result).contains(columns))
    return Value();
  if (!left && StringRef(equation->result).find(columns) <
                   StringRef(equation->result).find(rows)) {
    swap();
    std::swap(rows, columns);
  }
  // Batches in the result's order, where a left factor doesn't state one.
  if (!left && StringRef(equation->result).find(batch[1]) <
                   StringRef(equation->result).find(batch[0]))
    std::swap(batch[0], batch[1]);

  RaisedBuilder raised(einsum.getOperation());
  Value operands[] = {
      transpose(view, raised, a, equation->left, batch + rows + inner),
      transpose(view, raised, b, equation->right, batch + inner + columns)};
  SmallVector<AffineExpr> shape;
  std::string order = batch + rows + columns;
  for (char letter : order) {
    size_t dim = StringRef(equation->result).find(letter);
    shape.push_back(view.getDim(einsum.getOutput(), dim));
  }
  Value product =
      raised
          .create<MatMulOp>(
              getTensorType(shape, getElementTypeOrSelf(a.getType())), operands,
              13)
          .getY();
  view.setShape(product, shape);
  return transpose(view, raised, product, order, equation->result);
}

} // namespace hybrid::onnx
