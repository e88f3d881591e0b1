//===- ElementFunctions.cpp - Values of small integer tensors -------------===//
//
// Exporters compute shapes in the graph. These functions follow the elements of
// small integer and bool tensors as expressions; a null element is not known.
// They run after the shapes of the results are set.
//
//===----------------------------------------------------------------------===//

#include "IndexRange.h"
#include "ShapeInference.h"

using namespace mlir;
using namespace hybrid::onnx;

namespace {
/// A small tensor whose elements are followed.
struct Elements {
  SmallVector<int64_t> dims;
  Shape values;

  int64_t size() const { return values.size(); }
};
} // namespace

/// The sizes of a static shape; nullopt if it is not static or too large.
static std::optional<SmallVector<int64_t>> smallDims(const Shape *shape) {
  if (!shape)
    return std::nullopt;
  SmallVector<int64_t> dims;
  int64_t count = 1;
  for (Expr dim : *shape) {
    std::optional<int64_t> size = SymbolicAlgebra::constantValue(dim);
    if (!size || *size < 0 || *size > kMaxElements)
      return std::nullopt;
    dims.push_back(*size);
    count *= *size;
    if (count > kMaxElements)
      return std::nullopt;
  }
  return dims;
}

static bool isIntegral(Value value) {
  auto type = dyn_cast<TensorType>(value.getType());
  return type && type.getElementType().isInteger();
}

/// An operand as a small tensor; unknown elements are null.
static std::optional<Elements> operand(OpShape &op, unsigned i) {
  std::optional<SmallVector<int64_t>> dims = smallDims(op.shape(i));
  if (!dims || !isIntegral(op.op->getOperand(i)))
    return std::nullopt;
  int64_t count = 1;
  for (int64_t dim : *dims)
    count *= dim;
  const Shape *known = op.elements(i);
  if (known && static_cast<int64_t>(known->size()) == count)
    return Elements{*dims, *known};
  return Elements{*dims, Shape(count)};
}

/// The static shape of result 0, if its elements are worth following.
static std::optional<SmallVector<int64_t>> resultDims(OpShape &op) {
  if (op.op->getNumResults() == 0 || !isIntegral(op.op->getResult(0)))
    return std::nullopt;
  return smallDims(op.inference.getShape(op.op->getResult(0)));
}

static int64_t numElements(ArrayRef<int64_t> dims) {
  int64_t count = 1;
  for (int64_t dim : dims)
    count *= dim;
  return count;
}

/// The coordinates of element `index` of a tensor.
static SmallVector<int64_t> coordinates(int64_t index, ArrayRef<int64_t> dims) {
  SmallVector<int64_t> result(dims.size());
  for (size_t i = dims.size(); i-- > 0;) {
    result[i] = index % dims[i];
    index /= dims[i];
  }
  return result;
}

/// The element of `tensor` that is broadcast to `position`.
static Expr broadcastElement(const Elements &tensor,
                             ArrayRef<int64_t> position) {
  int64_t index = 0;
  ArrayRef<int64_t> last = position.take_back(tensor.dims.size());
  for (auto [dim, coordinate] : llvm::zip_equal(tensor.dims, last))
    index = index * dim + (dim == 1 ? 0 : coordinate);
  return index < tensor.size() ? tensor.values[index] : Expr();
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

using Operation1 = Expr (*)(SymbolicAlgebra &, Expr);
using Operation2 = Expr (*)(SymbolicAlgebra &, Expr, Expr);

template <Operation1 function>
static LogicalResult unary(OpShape &op) {
  std::optional<Elements> x = operand(op, 0);
  if (!x || !resultDims(op))
    return success();
  for (Expr &value : x->values)
    value = value ? function(op.math, value) : Expr();
  op.setElements(0, std::move(x->values));
  return success();
}

/// Also of more than two operands, from left to right.
template <Operation2 function>
static LogicalResult binary(OpShape &op) {
  std::optional<SmallVector<int64_t>> dims = resultDims(op);
  if (!dims)
    return success();
  SmallVector<Elements> operands;
  for (unsigned i = 0; i < op.op->getNumOperands(); ++i) {
    std::optional<Elements> x = operand(op, i);
    if (!x || x->dims.size() > dims->size())
      return success();
    operands.push_back(std::move(*x));
  }
  if (operands.empty())
    return success();
  Shape result;
  for (int64_t i = 0; i < numElements(*dims); ++i) {
    SmallVector<int64_t> position = coordinates(i, *dims);
    Expr value = broadcastElement(operands.front(), position);
    for (const Elements &other : ArrayRef(operands).drop_front())
      value = function(op.math, value, broadcastElement(other, position));
    result.push_back(value);
  }
  op.setElements(0, std::move(result));
  return success();
}

static Expr truth(SymbolicAlgebra &math, bool isTrue, bool isFalse) {
  return isTrue ? math.constant(1) : isFalse ? math.constant(0) : Expr();
}

static Expr addOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return math.add(a, b);
}
static Expr subOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return math.sub(a, b);
}
static Expr mulOf(SymbolicAlgebra &math, Expr a, Expr b) {
  // What is not known does not matter beside a zero.
  for (Expr factor : {a, b})
    if (SymbolicAlgebra::constantValue(factor) == 0)
      return factor;
  return math.mul(a, b);
}
static Expr divOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return math.truncDiv(a, b);
}
static Expr maxOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return math.max(a, b);
}
static Expr minOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return math.min(a, b);
}
static Expr equalOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return a && b ? truth(math, math.isEqual(a, b), math.isDifferent(a, b))
                : Expr();
}
static Expr greaterOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return truth(math, math.isAtLeast(a, math.add(b, math.constant(1))),
               math.isAtLeast(b, a));
}
static Expr greaterOrEqualOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return truth(math, math.isAtLeast(a, b),
               math.isAtLeast(b, math.add(a, math.constant(1))));
}
static Expr lessOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return greaterOf(math, b, a);
}
static Expr lessOrEqualOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return greaterOrEqualOf(math, b, a);
}
static bool isFalse(Expr a) { return SymbolicAlgebra::constantValue(a) == 0; }
static bool isTrue(Expr a) { return SymbolicAlgebra::constantValue(a) == 1; }
static Expr andOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return truth(math, isTrue(a) && isTrue(b), isFalse(a) || isFalse(b));
}
static Expr orOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return truth(math, isTrue(a) || isTrue(b), isFalse(a) && isFalse(b));
}
static Expr xorOf(SymbolicAlgebra &math, Expr a, Expr b) {
  bool known = (isTrue(a) || isFalse(a)) && (isTrue(b) || isFalse(b));
  bool differ = isTrue(a) != isTrue(b);
  return truth(math, known && differ, known && !differ);
}
static Expr powOf(SymbolicAlgebra &math, Expr a, Expr b) {
  std::optional<int64_t> exponent = SymbolicAlgebra::constantValue(b);
  if (!exponent || *exponent < 0 || *exponent > 8)
    return Expr();
  Expr result = math.constant(1);
  for (int64_t i = 0; i < *exponent; ++i)
    result = math.mul(result, a);
  return result;
}
static Expr notOf(SymbolicAlgebra &math, Expr a) {
  return truth(math, isFalse(a), isTrue(a));
}
static Expr negOf(SymbolicAlgebra &math, Expr a) { return math.neg(a); }
static Expr identityOf(SymbolicAlgebra &, Expr a) { return a; }
static Expr absOf(SymbolicAlgebra &math, Expr a) {
  if (math.isAtLeast(a, 0))
    return a;
  Expr negated = math.neg(a);
  return math.isAtLeast(negated, 0) ? negated : Expr();
}
static Expr signOf(SymbolicAlgebra &math, Expr a) {
  if (math.isAtLeast(a, 1))
    return math.constant(1);
  if (math.isAtLeast(math.neg(a), 1))
    return math.constant(-1);
  return isFalse(a) ? a : Expr();
}

/// The sign of the divisor, or with fmod that of the dividend.
static Expr floorModOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return math.mod(a, b);
}
static Expr truncModOf(SymbolicAlgebra &math, Expr a, Expr b) {
  return math.sub(a, math.mul(b, math.truncDiv(a, b)));
}

static LogicalResult mod(OpShape &op) {
  return op.integer("fmod", 0) ? binary<truncModOf>(op)
                               : binary<floorModOf>(op);
}

/// Integers keep their value where it fits; to bool, all but 0 is true.
static LogicalResult cast(OpShape &op) {
  if (!isIntegral(op.op->getOperand(0)) || !resultDims(op))
    return success();
  auto target = llvm::cast<TensorType>(op.op->getResult(0).getType());
  std::optional<Elements> x = operand(op, 0);
  if (!x)
    return success();
  unsigned width = target.getElementType().getIntOrFloatBitWidth();
  for (Expr &value : x->values) {
    if (width == 1)
      value = value ? truth(op.math, op.math.isDifferent(value, op.constant(0)),
                            isFalse(value))
                    : Expr();
    std::optional<int64_t> number = SymbolicAlgebra::constantValue(value);
    // Sizes are taken to fit into 32 bits; other constants must.
    bool fits =
        width >= 32 && (!number || width >= 64 || llvm::isInt<32>(*number));
    if (width != 1 && !fits && !(number && llvm::isUIntN(width - 1, *number)))
      value = Expr();
  }
  op.setElements(0, std::move(x->values));
  return success();
}

static LogicalResult where(OpShape &op) {
  std::optional<SmallVector<int64_t>> dims = resultDims(op);
  std::optional<Elements> condition = operand(op, 0), x = operand(op, 1),
                          y = operand(op, 2);
  if (!dims || !condition || !x || !y)
    return success();
  Shape result;
  for (int64_t i = 0; i < numElements(*dims); ++i) {
    SmallVector<int64_t> position = coordinates(i, *dims);
    Expr chosen = broadcastElement(*condition, position);
    Expr a = broadcastElement(*x, position), b = broadcastElement(*y, position);
    bool same = a && b && op.math.isEqual(a, b);
    result.push_back(isTrue(chosen) || same ? a : isFalse(chosen) ? b : Expr());
  }
  op.setElements(0, std::move(result));
  return success();
}

static LogicalResult clip(OpShape &op) {
  std::optional<Elements> x = operand(op, 0);
  if (!x || !resultDims(op))
    return success();
  for (unsigned bound : {1, 2}) {
    if (!op.has(bound))
      continue;
    Expr limit = op.sizeElement(bound, 0);
    for (Expr &value : x->values)
      value =
          bound == 1 ? op.math.max(value, limit) : op.math.min(value, limit);
  }
  op.setElements(0, std::move(x->values));
  return success();
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// Over all elements, or over the only axis.
template <Operation2 function>
static LogicalResult reduce(OpShape &op) {
  std::optional<SmallVector<int64_t>> dims = resultDims(op);
  std::optional<Elements> x = operand(op, 0);
  if (!dims || numElements(*dims) != 1 || !x || x->size() == 0)
    return success();
  Expr result = x->values.front();
  for (Expr value : ArrayRef<Expr>(x->values).drop_front())
    result = function(op.math, result, value);
  op.setElements(0, Shape{result});
  return success();
}

static LogicalResult cumSum(OpShape &op) {
  std::optional<Elements> x = operand(op, 0);
  if (!x || x->dims.size() != 1 || !resultDims(op))
    return success();
  bool exclusive = op.integer("exclusive", 0);
  if (op.integer("reverse", 0))
    std::reverse(x->values.begin(), x->values.end());
  Expr sum = op.constant(0);
  for (Expr &value : x->values) {
    Expr before = sum;
    sum = op.math.add(sum, value);
    value = exclusive ? before : sum;
  }
  if (op.integer("reverse", 0))
    std::reverse(x->values.begin(), x->values.end());
  op.setElements(0, std::move(x->values));
  return success();
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

/// Reshape, Squeeze, Unsqueeze, Flatten: the same elements.
static LogicalResult sameElements(OpShape &op) { return unary<identityOf>(op); }

static LogicalResult concat(OpShape &op) {
  std::optional<SmallVector<int64_t>> dims = resultDims(op);
  if (!dims || dims->size() != 1)
    return success();
  Shape result;
  for (unsigned i = 0; i < op.op->getNumOperands(); ++i) {
    std::optional<Elements> x = operand(op, i);
    if (!x)
      return success();
    result.append(x->values);
  }
  op.setElements(0, std::move(result));
  return success();
}

static LogicalResult split(OpShape &op) {
  std::optional<Elements> x = operand(op, 0);
  if (!x || x->dims.size() != 1)
    return success();
  int64_t begin = 0;
  for (unsigned i = 0; i < op.op->getNumResults(); ++i) {
    std::optional<SmallVector<int64_t>> dims =
        smallDims(op.inference.getShape(op.op->getResult(i)));
    if (!dims || begin + numElements(*dims) > x->size())
      return success();
    int64_t end = begin + numElements(*dims);
    op.setElements(i,
                   Shape(x->values.begin() + begin, x->values.begin() + end));
    begin = end;
  }
  return success();
}

static LogicalResult slice(OpShape &op) {
  std::optional<Elements> x = operand(op, 0);
  std::optional<SmallVector<int64_t>> dims = resultDims(op);
  if (!x || !dims || x->dims.size() != 1 || dims->size() != 1)
    return success();
  int64_t step = 1;
  if (op.has(4)) {
    auto given = op.constants(4);
    if (!given || given->size() != 1)
      return success();
    step = given->front();
  }
  SliceRange range =
      sliceRange(op, op.constant(x->size()), op.sizeElement(1, 0),
                 op.sizeElement(2, 0), step);
  std::optional<int64_t> first = SymbolicAlgebra::constantValue(range.first);
  if (!first)
    return success();
  Shape result;
  for (int64_t i = 0; i < dims->front(); ++i) {
    int64_t index = *first + i * step;
    result.push_back(index >= 0 && index < x->size() ? x->values[index]
                                                     : Expr());
  }
  op.setElements(0, std::move(result));
  return success();
}

/// Of a list, by constant indices.
static LogicalResult gather(OpShape &op) {
  std::optional<Elements> data = operand(op, 0);
  std::optional<Elements> indices = operand(op, 1);
  if (!data || !indices || data->dims.size() != 1 || !resultDims(op))
    return success();
  Shape result;
  for (Expr index : indices->values) {
    std::optional<int64_t> position = SymbolicAlgebra::constantValue(index);
    if (position && *position < 0)
      *position += data->size();
    bool inside = position && *position >= 0 && *position < data->size();
    result.push_back(inside ? data->values[*position] : Expr());
  }
  op.setElements(0, std::move(result));
  return success();
}

/// Expand and Tile: what both make of a list or a scalar of one element, and
/// Expand of any shape.
static LogicalResult expand(OpShape &op) {
  std::optional<SmallVector<int64_t>> dims = resultDims(op);
  std::optional<Elements> x = operand(op, 0);
  if (!dims || !x || x->dims.size() > dims->size())
    return success();
  Shape result;
  for (int64_t i = 0; i < numElements(*dims); ++i)
    result.push_back(broadcastElement(*x, coordinates(i, *dims)));
  op.setElements(0, std::move(result));
  return success();
}

static LogicalResult tile(OpShape &op) {
  std::optional<SmallVector<int64_t>> dims = resultDims(op);
  std::optional<Elements> x = operand(op, 0);
  if (!dims || !x || dims->size() != 1 || x->size() == 0)
    return success();
  Shape result;
  for (int64_t i = 0; i < dims->front(); ++i)
    result.push_back(x->values[i % x->size()]);
  op.setElements(0, std::move(result));
  return success();
}

//===----------------------------------------------------------------------===//
// From sizes
//===----------------------------------------------------------------------===//

static LogicalResult shapeOf(OpShape &op) {
  const Shape *data = op.shape(0);
  std::optional<SmallVector<int64_t>> dims = resultDims(op);
  if (!data || !dims || dims->size() != 1)
    return success();
  int64_t rank = data->size();
  int64_t start = op.integer("start", 0);
  start = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
  Shape result;
  for (int64_t i = 0; i < dims->front() && start + i < rank; ++i)
    result.push_back((*data)[start + i]);
  op.setElements(0, std::move(result));
  return success();
}

static LogicalResult size(OpShape &op) {
  if (const Shape *data = op.shape(0))
    op.setElements(0, Shape{op.product(*data)});
  return success();
}

static LogicalResult constantOfShape(OpShape &op) {
  std::optional<SmallVector<int64_t>> dims = resultDims(op);
  if (!dims)
    return success();
  auto value = op.op->getAttrOfType<DenseIntElementsAttr>("value");
  if (!value || value.getNumElements() != 1)
    return success();
  APInt number = *value.value_begin<APInt>();
  int64_t element = value.getElementType().isInteger(1) ? number.getZExtValue()
                                                        : number.getSExtValue();
  op.setElements(0, Shape(numElements(*dims), op.constant(element)));
  return success();
}

static LogicalResult range(OpShape &op) {
  std::optional<SmallVector<int64_t>> dims = resultDims(op);
  Expr start = op.sizeElement(0, 0), delta = op.sizeElement(2, 0);
  if (!dims || dims->size() != 1 || !start || !delta)
    return success();
  Shape result;
  for (int64_t i = 0; i < dims->front(); ++i)
    result.push_back(op.math.add(start, op.math.mul(delta, op.constant(i))));
  op.setElements(0, std::move(result));
  return success();
}

void hybrid::onnx::addElementFunctions(ShapeFunctions &functions) {
  functions["Abs"] = unary<absOf>;
  functions["Add"] = binary<addOf>;
  functions["And"] = binary<andOf>;
  functions["Cast"] = cast;
  functions["CastLike"] = cast;
  functions["Clip"] = clip;
  functions["Concat"] = concat;
  functions["ConstantOfShape"] = constantOfShape;
  functions["CumSum"] = cumSum;
  functions["Div"] = binary<divOf>;
  functions["Equal"] = binary<equalOf>;
  functions["Expand"] = expand;
  functions["Flatten"] = sameElements;
  functions["Gather"] = gather;
  functions["Greater"] = binary<greaterOf>;
  functions["GreaterOrEqual"] = binary<greaterOrEqualOf>;
  functions["Identity"] = sameElements;
  functions["Less"] = binary<lessOf>;
  functions["LessOrEqual"] = binary<lessOrEqualOf>;
  functions["Max"] = binary<maxOf>;
  functions["Min"] = binary<minOf>;
  functions["Mod"] = mod;
  functions["Mul"] = binary<mulOf>;
  functions["Neg"] = unary<negOf>;
  functions["Not"] = unary<notOf>;
  functions["Or"] = binary<orOf>;
  functions["Pow"] = binary<powOf>;
  functions["Range"] = range;
  functions["ReduceMax"] = reduce<maxOf>;
  functions["ReduceMin"] = reduce<minOf>;
  functions["ReduceProd"] = reduce<mulOf>;
  functions["ReduceSum"] = reduce<addOf>;
  functions["Reshape"] = sameElements;
  functions["Shape"] = shapeOf;
  functions["Sign"] = unary<signOf>;
  functions["Size"] = size;
  functions["Slice"] = slice;
  functions["Split"] = split;
  functions["Squeeze"] = sameElements;
  functions["Sub"] = binary<subOf>;
  functions["Sum"] = binary<addOf>;
  functions["Tile"] = tile;
  functions["Unsqueeze"] = sameElements;
  functions["Where"] = where;
  functions["Xor"] = binary<xorOf>;
}
