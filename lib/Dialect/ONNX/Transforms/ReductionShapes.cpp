//===- ReductionShapes.cpp - Shapes of reductions and products ------------===//

#include "ShapeInference.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace hybrid::onnx;

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

static LogicalResult reduceAxes(OpShape &op, const Shape &data,
                                ArrayRef<int64_t> axes) {
  bool keep = op.integer("keepdims", 1) != 0;
  SmallVector<bool> reduced(data.size(), false);
  for (int64_t stated : axes) {
    std::optional<int64_t> axis = op.axis(stated, data.size());
    if (!axis)
      return failure();
    reduced[*axis] = true;
  }
  Shape result;
  for (auto [dim, gone] : llvm::zip(data, reduced)) {
    if (!gone)
      result.push_back(dim);
    else if (keep)
      result.push_back(op.constant(1));
  }
  op.set(0, std::move(result));
  return success();
}

/// The axes are an operand; without any, all or none are reduced.
static LogicalResult reduce(OpShape &op) {
  const Shape *data = op.shape(0);
  if (!data)
    return success();
  std::optional<SmallVector<int64_t>> axes = SmallVector<int64_t>();
  if (op.has(1))
    axes = op.constants(1);
  if (!axes) {
    // Which axes go is not known, but with keepdims the rank is.
    if (op.integer("keepdims", 1))
      op.set(0, Shape(data->size()));
    return success();
  }
  if (axes->empty() && op.integer("noop_with_empty_axes", 0)) {
    op.set(0, data);
    return success();
  }
  if (axes->empty())
    for (size_t i = 0; i < data->size(); ++i)
      axes->push_back(i);
  return reduceAxes(op, *data, *axes);
}

static LogicalResult argReduce(OpShape &op) {
  const Shape *data = op.shape(0);
  if (!data)
    return success();
  return reduceAxes(op, *data, {op.integer("axis", 0)});
}

static LogicalResult determinant(OpShape &op) {
  const Shape *x = op.shape(0);
  if (x && x->size() >= 2)
    op.set(0, Shape(x->begin(), x->end() - 2));
  return success();
}

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

/// numpy's matmul on shapes.
static LogicalResult matMulShapes(OpShape &op, Shape a, Shape b) {
  if (a.empty() || b.empty())
    return op.error() << "scalars cannot be multiplied as matrices";
  bool vectorA = a.size() == 1, vectorB = b.size() == 1;
  if (vectorA)
    a.insert(a.begin(), op.constant(1));
  if (vectorB)
    b.push_back(op.constant(1));
  if (failed(op.require(a.back(), b[b.size() - 2], "contracted dimensions")))
    return failure();
  FailureOr<Shape> result = op.broadcast(Shape(a.begin(), a.end() - 2),
                                         Shape(b.begin(), b.end() - 2));
  if (failed(result))
    return failure();
  if (!vectorA)
    result->push_back(a[a.size() - 2]);
  if (!vectorB)
    result->push_back(b.back());
  op.set(0, std::move(*result));
  return success();
}

template <unsigned a, unsigned b>
static LogicalResult matMul(OpShape &op) {
  const Shape *left = op.shape(a), *right = op.shape(b);
  if (!left || !right)
    return success();
  return matMulShapes(op, *left, *right);
}

static LogicalResult route(OpShape &op) {
  const Shape *logits = op.shape(0);
  if (!logits)
    return success();
  if (logits->empty())
    return op.error() << "logits must have at least one dimension";
  Shape result = *logits;
  result.back() = op.constant(op.integer("k", 1));
  op.set(0, result);
  op.set(1, std::move(result));
  return success();
}

static LogicalResult expertMatMul(OpShape &op) {
  const Shape *weight = op.shape(1), *experts = op.shape(2);
  if (!weight || !experts)
    return success();
  if (weight->size() != 3 || experts->size() != 1)
    return op.error() << "weight must have rank 3, and experts rank 1";
  op.set(0, Shape{(*experts)[0], (*weight)[op.flag("transposed") ? 2 : 1]});
  return success();
}

/// [d0, …, dn-2, m, k] with `transBatch`: [m, d0, …] read as [d0, …, m].
static Shape transposed(const Shape &shape, bool trans, bool transBatch) {
  Shape result = shape;
  if (transBatch && result.size() >= 2)
    std::rotate(result.begin(), result.begin() + 1, result.end() - 1);
  if (trans && result.size() >= 2)
    std::swap(result[result.size() - 1], result[result.size() - 2]);
  return result;
}

static LogicalResult fusedMatMul(OpShape &op) {
  const Shape *a = op.shape(0), *b = op.shape(1);
  if (!a || !b)
    return success();
  return matMulShapes(
      op, transposed(*a, op.integer("transA", 0), op.integer("transBatchA", 0)),
      transposed(*b, op.integer("transB", 0), op.integer("transBatchB", 0)));
}

static LogicalResult gemm(OpShape &op) {
  const Shape *a = op.shape(0), *b = op.shape(1);
  if (!a || !b)
    return success();
  if (a->size() != 2 || b->size() != 2)
    return op.error() << "the operands must be matrices";
  bool transA = op.integer("transA", 0), transB = op.integer("transB", 0);
  if (failed(op.require((*a)[!transA], (*b)[transB], "contracted dimensions")))
    return failure();
  op.set(0, Shape{(*a)[transA], (*b)[!transB]});
  return success();
}

static LogicalResult matMulNBits(OpShape &op) {
  const Shape *a = op.shape(0);
  if (!a || a->empty())
    return success();
  Expr k = op.constant(op.integer("K", 0));
  if (failed(op.require(a->back(), k, "K and the last dimension of A")))
    return failure();
  Shape result = *a;
  result.back() = op.constant(op.integer("N", 0));
  op.set(0, std::move(result));
  return success();
}

//===----------------------------------------------------------------------===//
// Einsum
//===----------------------------------------------------------------------===//

namespace {
/// Binds the letters of an equation to dimensions.
class EinsumShape {
public:
  explicit EinsumShape(OpShape &op) : op(op) {}

  LogicalResult run();

private:
  LogicalResult bindTerm(StringRef term, const Shape &shape);
  std::string implicitOutput(ArrayRef<StringRef> terms) const;

  OpShape &op;
  std::map<char, Expr> letters;
  /// What "..." stands for.
  std::optional<Shape> ellipsis;
};
} // namespace

LogicalResult EinsumShape::bindTerm(StringRef term, const Shape &shape) {
  auto [before, after] = term.split("...");
  bool hasEllipsis = term.contains("...");
  size_t named = before.size() + after.size();
  if (hasEllipsis ? shape.size() < named : shape.size() != named)
    return op.error() << "'" << term << "' does not fit an operand of rank "
                      << shape.size();
  auto bind = [&](char letter, Expr dim) -> LogicalResult {
    auto [found, isNew] = letters.try_emplace(letter, dim);
    if (isNew)
      return success();
    FailureOr<Expr> combined = op.broadcastDim(found->second, dim);
    if (failed(combined))
      return failure();
    found->second = *combined;
    return success();
  };
  for (size_t i = 0; i < before.size(); ++i)
    if (failed(bind(before[i], shape[i])))
      return failure();
  size_t tail = shape.size() - after.size();
  for (size_t i = 0; i < after.size(); ++i)
    if (failed(bind(after[i], shape[tail + i])))
      return failure();
  if (!hasEllipsis)
    return success();
  Shape middle(shape.begin() + before.size(), shape.begin() + tail);
  FailureOr<Shape> combined =
      ellipsis ? op.broadcast(*ellipsis, middle) : FailureOr<Shape>(middle);
  if (failed(combined))
    return failure();
  ellipsis = *combined;
  return success();
}

/// The ellipsis, then the letters that occur once, in alphabetical order.
std::string EinsumShape::implicitOutput(ArrayRef<StringRef> terms) const {
  std::map<char, unsigned> count;
  for (StringRef term : terms)
    for (char letter : term)
      if (llvm::isAlpha(letter))
        ++count[letter];
  std::string output = ellipsis ? "..." : "";
  for (auto [letter, times] : count)
    if (times == 1)
      output += letter;
  return output;
}

LogicalResult EinsumShape::run() {
  std::string equation;
  for (char c : op.string("equation", ""))
    if (c != ' ')
      equation += c;
  auto [inputs, output] = StringRef(equation).split("->");
  SmallVector<StringRef> terms;
  inputs.split(terms, ',');
  if (terms.size() != op.op->getNumOperands())
    return op.error() << "the equation has " << terms.size() << " terms for "
                      << op.op->getNumOperands() << " operands";
  for (auto [i, term] : llvm::enumerate(terms)) {
    const Shape *shape = op.shape(i);
    if (!shape)
      return success();
    if (failed(bindTerm(term, *shape)))
      return failure();
  }
  std::string implicit;
  if (!StringRef(equation).contains("->")) {
    implicit = implicitOutput(terms);
    output = implicit;
  }
  Shape result;
  for (StringRef rest = output; !rest.empty();) {
    if (rest.consume_front("...")) {
      if (ellipsis)
        result.append(*ellipsis);
      continue;
    }
    auto letter = letters.find(rest.front());
    if (letter == letters.end())
      return op.error() << "'" << rest.take_front(1)
                        << "' of the output is in no operand";
    result.push_back(letter->second);
    rest = rest.drop_front();
  }
  op.set(0, std::move(result));
  return success();
}

static LogicalResult einsum(OpShape &op) { return EinsumShape(op).run(); }

void hybrid::onnx::addReductionShapes(ShapeFunctions &functions) {
  for (StringRef name :
       {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
        "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
        "ReduceSumSquare"})
    functions[name] = reduce;
  functions["ArgMax"] = argReduce;
  functions["ArgMin"] = argReduce;
  functions["Det"] = determinant;
  functions["Einsum"] = einsum;
  functions["Gemm"] = gemm;
  functions["MatMul"] = matMul<0, 1>;
  functions["ExpertMatMul"] = expertMatMul;
  functions["Route"] = route;
  functions["MatMulInteger"] = matMul<0, 1>;
  functions["QLinearMatMul"] = matMul<0, 3>;
  functions["ms.FusedMatMul"] = fusedMatMul;
  functions["ms.MatMulNBits"] = matMulNBits;
}
