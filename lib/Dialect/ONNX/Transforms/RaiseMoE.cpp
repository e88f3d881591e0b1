//===- RaiseMoE.cpp - pass onnx-raise-moe ---------------------------------===//
//
// ONNX has no operator for a mixture of experts. Exporters write one that takes
// every row through every expert,
//
//   y = Σ_e expert_e(x) · Σ_k w[k] · (chosen[k] = e)
//
// with a product for each expert or one of a stack of matrices, where the sum
// over k may be w scattered among zeros, or one that gathers the matrices of
// the chosen experts for each row. Each becomes ExpertMatMul for the matrices,
// the rows' elementwise operators between, and a product that sums over the
// chosen, whatever the router does to get weights and numbers of experts. The
// usual routers become Route then. The anchors are the TopK that chooses, and
// the product with a gathered matrix.
//
//===----------------------------------------------------------------------===//

#include "Chunking.h"
#include "MoERouter.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"
#include "mlir/IR/IRMapping.h"

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXRAISEMOE
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

//===----------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------===//

namespace {
/// The right operand of a product: a matrix of a stack, the whole stack, or a
/// matrix that the file holds by itself.
struct Matrix {
  /// [E,H,O], or [E,O,H] where `transposed` is false; without E if alone.
  Value stack;
  bool transposed = true;
  bool isAlone = false;
  /// -1: all of them.
  int64_t number = -1;
};

/// Rows times a matrix, and a bias of each column, if any.
struct Product {
  Value rows;
  Matrix matrix;
  Value bias;
};
} // namespace

/// The operand of a transposition of the last two dimensions; or null.
static Value getMatrixTransposed(GraphView &view, Value value) {
  auto transpose = value.getDefiningOp<TransposeOp>();
  int64_t rank = view.getRank(value);
  if (!transpose || rank < 2)
    return Value();
  SmallVector<int64_t> perm = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  std::swap(perm[rank - 1], perm[rank - 2]);
  bool isSwap = transpose.getPerm()
                    ? ArrayRef<int64_t>(perm) == *transpose.getPerm()
                    : rank == 2;
  return isSwap ? transpose.getData() : Value();
}

static std::optional<Matrix> getMatrix(GraphView &view, Value value) {
  Matrix matrix;
  if (Value data = getMatrixTransposed(view, value)) {
    matrix.transposed = false;
    value = data;
  }
  matrix.stack = value;
  matrix.isAlone = value.getDefiningOp<InitializerOp>() != nullptr;
  if (view.getRank(value) == (matrix.isAlone ? 2 : 3))
    return matrix;
  matrix.isAlone = false;
  if (view.getRank(value) == 3)
    return matrix;
  if (auto squeeze = value.getDefiningOp<SqueezeOp>())
    if (view.isAxis(squeeze.getAxes(), squeeze.getData(), 0))
      value = squeeze.getData();
  if (auto gather = value.getDefiningOp<GatherOp>()) {
    std::optional<int64_t> number = view.getInteger(gather.getIndices());
    if (!number || *number < 0 || gather.getAxis() != 0)
      return std::nullopt;
    matrix.number = *number;
    matrix.stack = gather.getData();
  } else if (auto slice = value.getDefiningOp<SliceOp>()) {
    std::optional<SliceRange> range = view.getSlice(slice);
    auto start = range ? dyn_cast<AffineConstantExpr>(range->start)
                       : AffineConstantExpr();
    if (!start || range->axis != 0 || !view.isFixed(range->length, 1))
      return std::nullopt;
    matrix.number = start.getValue();
    matrix.stack = slice.getData();
  } else {
    return std::nullopt;
  }
  if (view.getRank(matrix.stack) != 3)
    return std::nullopt;
  return matrix;
}

/// MatMul, or Gemm, whose operands may be transposed.
static std::optional<Product> getProduct(GraphView &view, Operation *op) {
  Product product;
  std::optional<Matrix> matrix;
  if (auto matmul = dyn_cast<MatMulOp>(op)) {
    product.rows = matmul.getA();
    matrix = getMatrix(view, matmul.getB());
  } else if (auto gemm = dyn_cast<GemmOp>(op)) {
    if (gemm.getTransA() != 0 || !gemm.getAlpha().isExactlyValue(1) ||
        !gemm.getBeta().isExactlyValue(1))
      return std::nullopt;
    product.rows = gemm.getA();
    if (!isa<NoneType>(gemm.getC().getType()))
      product.bias = gemm.getC();
    matrix = getMatrix(view, gemm.getB());
    if (matrix && gemm.getTransB() != 0)
      matrix->transposed = !matrix->transposed;
  }
  if (!matrix)
    return std::nullopt;
  product.matrix = *matrix;
  return product;
}

static Value createExpertMatMul(RaisedBuilder &raised, Type type, Value rows,
                                const Matrix &matrix, Value numbers,
                                int64_t chosen) {
  SmallVector<NamedAttribute> attributes = {raised.getNamed("chosen", chosen)};
  if (matrix.transposed)
    attributes.push_back(raised.builder.getNamedAttr(
        "transposed", raised.builder.getUnitAttr()));
  return ExpertMatMulOp::create(raised.builder, raised.loc, TypeRange{type},
                                ValueRange{rows, matrix.stack, numbers},
                                attributes)
      .getOutput();
}

/// `value` with other dimensions, of which those that are negative follow from
/// the others.
static Value reshape(RaisedBuilder &raised, Value value,
                     ArrayRef<int64_t> dims) {
  SmallVector<int64_t> shape;
  for (int64_t dim : dims)
    shape.push_back(dim < 0 ? ShapedType::kDynamic : dim);
  auto type =
      RankedTensorType::get(shape, getElementTypeOrSelf(value.getType()));
  Value operands[] = {value, raised.getIntegers(dims)};
  return raised.create<ReshapeOp>(type, operands, 13).getReshaped();
}

/// Σ_k weights[n,k] · rows[n·k' + k], k' = `chosen`: [n, width].
static Value createSum(RaisedBuilder &raised, Value weights, Value rows,
                       int64_t chosen, int64_t width) {
  Value factors = reshape(raised, weights, {-1, 1, chosen});
  Value terms = reshape(raised, rows, {-1, chosen, width});
  auto type = RankedTensorType::get({ShapedType::kDynamic, 1, width},
                                    getElementTypeOrSelf(rows.getType()));
  Value operands[] = {factors, terms};
  return raised.create<MatMulOp>(type, operands, 13).getY();
}

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

namespace {
/// What an expert does with a row: products with its matrices, and operators
/// that work on each element, or split rows.
class Expert {
public:
  Expert(GraphView &view, int64_t numExperts)
      : view(view), numExperts(numExperts) {}

  /// Null, or why `output` of the first expert is not computed as `other` is by
  /// the expert `number`, from the same input. A number of -1 stands for all
  /// experts at once, where both are the same.
  const char *match(Value output, Value other, int64_t number);
  /// After `match`: what all experts get, rows in the last dimension.
  Value getInput() const { return input; }
  /// `output` for `rows`, row by row of the expert in `numbers`.
  Value create(RaisedBuilder &raised, Value output, Value rows, Value numbers,
               int64_t chosen);

  /// Null, or why some experts lack what the first has.
  const char *matchAllOwn();

private:
  const char *matchProduct(const Product &product, const Product &other,
                           int64_t number);
  /// What the file holds for the first and another expert.
  const char *matchOwn(Value first, Value other, int64_t number);
  /// That of all experts, [E, ...].
  Value createStack(RaisedBuilder &raised, Value first);
  /// A row [O] of each expert, for each row [M, O].
  Value createOwnRows(RaisedBuilder &raised, Value first, Value numbers);
  Value createProduct(RaisedBuilder &raised, const Product &product,
                      Value output, Value rows, Value numbers, int64_t chosen);
  /// Whether the file holds it, a number for each channel.
  bool isRow(Value value) {
    return isa_and_nonnull<ConstantOp, InitializerOp>(value.getDefiningOp()) &&
           view.getRank(value) == 1;
  }
  bool isShared(Value value);
  bool isOfRows(Operation *op);

  GraphView &view;
  int64_t numExperts;
  Value input;
  DenseSet<std::pair<Value, Value>> visited;
  /// What each expert has in place of a matrix or bias of the first.
  llvm::MapVector<Value, SmallVector<Value>> owns;
  DenseMap<Value, Value> created;
};
} // namespace

/// A constant that is the same for all rows: numbers, or one for each channel.
bool Expert::isShared(Value value) {
  return isa_and_nonnull<ConstantOp, InitializerOp>(value.getDefiningOp()) &&
         (view.getRank(value) == 0 || view.getRank(value) == 1);
}

bool Expert::isOfRows(Operation *op) {
  if (auto split = dyn_cast<SplitOp>(op))
    return view.isLastAxis(split.getInput(), split.getAxis());
  return isa<AddOp, CastOp, ClipOp, DivOp, ErfOp, ExpOp, GeluOp, MaxOp, MinOp,
             MulOp, NegOp, PowOp, ReluOp, SigmoidOp, SoftplusOp, SqrtOp, SubOp,
             SwishOp, TanhOp>(op);
}

const char *Expert::matchOwn(Value first, Value other, int64_t number) {
  if (number < 0 || first.getType() != other.getType() ||
      !view.haveSameShape(first, other))
    return "matrices of the experts are not of one stack";
  SmallVector<Value> &all = owns[first];
  all.resize(numExperts);
  all[0] = first;
  all[number] = other;
  return nullptr;
}

const char *Expert::matchAllOwn() {
  bool areAll = llvm::all_of(owns, [](const auto &pair) {
    return !llvm::is_contained(pair.second, Value());
  });
  return areAll ? nullptr : "some experts are another one";
}

const char *Expert::matchProduct(const Product &product, const Product &other,
                                 int64_t number) {
  const Matrix &matrix = product.matrix, &another = other.matrix;
  if (matrix.transposed != another.transposed ||
      matrix.isAlone != another.isAlone ||
      (!matrix.isAlone && matrix.stack != another.stack))
    return "matrices of the experts are not of one stack";
  if (matrix.isAlone) {
    if (const char *why = matchOwn(matrix.stack, another.stack, number))
      return why;
  } else {
    if (matrix.number != std::min<int64_t>(number, 0) ||
        another.number != number)
      return "an expert has another one's matrix";
    if (!view.isFixed(view.getDim(matrix.stack, 0), numExperts))
      return "there are more or fewer matrices than experts to choose from";
  }
  if (!product.bias != !other.bias)
    return "experts are not computed alike";
  if (product.bias) {
    if (!isRow(product.bias) || !isRow(other.bias))
      return "a bias is not one number for each channel";
    if (const char *why = matchOwn(product.bias, other.bias, number))
      return why;
  }
  Value rows = product.rows;
  bool isInput = number < 0 ? view.getRank(rows) == 2 : rows == other.rows;
  if (!isInput)
    return match(rows, other.rows, number);
  if (input && input != rows)
    return "experts have two inputs";
  input = rows;
  return nullptr;
}

const char *Expert::match(Value output, Value other, int64_t number) {
  if (!visited.insert({output, other}).second)
    return nullptr;
  Operation *op = output.getDefiningOp(), *otherOp = other.getDefiningOp();
  if (!op || !otherOp || op->getName() != otherOp->getName() ||
      op->getAttrDictionary() != otherOp->getAttrDictionary() ||
      cast<OpResult>(output).getResultNumber() !=
          cast<OpResult>(other).getResultNumber() ||
      op->getNumOperands() != otherOp->getNumOperands())
    return "experts are not computed alike";
  if (!isa<FloatType>(getElementTypeOrSelf(output.getType())))
    return "the elements of an expert are no floats";
  if (isa<MatMulOp, GemmOp>(op)) {
    std::optional<Product> product = getProduct(view, op),
                           another = getProduct(view, otherOp);
    if (!product || !another)
      return "matrices of the experts are not of one stack";
    return matchProduct(*product, *another, number);
  }
  if (!isOfRows(op))
    return "experts are not made of products and elementwise operators";
  for (auto [a, b] : llvm::zip(op->getOperands(), otherOp->getOperands())) {
    if (a == b && (isa<NoneType>(a.getType()) || isShared(a)))
      continue;
    bool areOwn = isRow(a) && isRow(b);
    if (const char *why = areOwn ? matchOwn(a, b, number) : match(a, b, number))
      return why;
  }
  return nullptr;
}

/// A matrix of as many rows as there are pairs of a row and an expert.
static Type getRowsType(GraphView &view, Value value) {
  std::optional<int64_t> width = view.getFixedDim(value, -1);
  return RankedTensorType::get(
      {ShapedType::kDynamic, width.value_or(ShapedType::kDynamic)},
      getElementTypeOrSelf(value.getType()));
}

Value Expert::createStack(RaisedBuilder &raised, Value first) {
  SmallVector<Value> all = owns[first];
  SmallVector<int64_t> shape = {numExperts}, flat;
  for (int64_t i = 0; i < view.getRank(first); ++i)
    shape.push_back(*view.getFixedDim(first, i));
  // Short rows are known: so is what they make.
  SmallVector<Attribute> elements;
  bool isKnown = llvm::all_of(all, [&](Value value) {
    DenseElementsAttr dense = getDense(value);
    if (dense)
      llvm::append_range(elements, dense.getValues<Attribute>());
    return dense != nullptr;
  });
  if (isKnown) {
    auto type =
        RankedTensorType::get(shape, getElementTypeOrSelf(first.getType()));
    return ConstantOp::create(raised.builder, raised.loc, type,
                              DenseElementsAttr::get(type, elements));
  }
  flat.assign(shape.begin() + 1, shape.end());
  flat[0] *= numExperts;
  auto type =
      RankedTensorType::get(flat, getElementTypeOrSelf(first.getType()));
  Value behind = raised
                     .create<ConcatOp>(type, all, 13,
                                       {raised.getNamed("axis", int64_t(0))})
                     .getConcatResult();
  return reshape(raised, behind, shape);
}

Value Expert::createOwnRows(RaisedBuilder &raised, Value first, Value numbers) {
  Value operands[] = {createStack(raised, first), numbers};
  return raised
      .create<GatherOp>(getRowsType(view, first), operands, 13,
                        {raised.getNamed("axis", int64_t(0))})
      .getOutput();
}

Value Expert::createProduct(RaisedBuilder &raised, const Product &product,
                            Value output, Value rows, Value numbers,
                            int64_t chosen) {
  Matrix matrix = product.matrix;
  if (matrix.isAlone)
    matrix.stack = createStack(raised, matrix.stack);
  bool isInput = product.rows == input;
  Value operand =
      isInput ? rows : create(raised, product.rows, rows, numbers, chosen);
  Type type = getRowsType(view, output);
  Value result = createExpertMatMul(raised, type, operand, matrix, numbers,
                                    isInput ? chosen : 1);
  if (!product.bias)
    return result;
  Value operands[] = {result, createOwnRows(raised, product.bias, numbers)};
  return raised.create<AddOp>(type, operands, 14).getResult();
}

Value Expert::create(RaisedBuilder &raised, Value output, Value rows,
                     Value numbers, int64_t chosen) {
  if (Value done = created.lookup(output))
    return done;
  Operation *op = output.getDefiningOp();
  if (!op || isa<ConstantOp, InitializerOp, NoneOp>(op))
    return output;
  if (isa<MatMulOp, GemmOp>(op))
    return created[output] = createProduct(raised, *getProduct(view, op),
                                           output, rows, numbers, chosen);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(owns.contains(operand)
                           ? createOwnRows(raised, operand, numbers)
                           : create(raised, operand, rows, numbers, chosen));
  IRMapping mapping;
  mapping.map(op->getOperands(), operands);
  Operation *clone = raised.builder.clone(*op, mapping);
  if (auto split = dyn_cast<SplitOp>(clone))
    split.setAxis(-1);
  for (auto [old, fresh] : llvm::zip(op->getResults(), clone->getResults())) {
    fresh.setType(getRowsType(view, old));
    created[old] = fresh;
  }
  return created[output];
}

//===----------------------------------------------------------------------===//
// Every row through every expert
//===----------------------------------------------------------------------===//

namespace {
/// A sum over all experts.
class DenseMixture {
public:
  DenseMixture(GraphView &view, TopKOp top) : view(view), top(top) {}

  /// A choice whose numbers are compared.
  bool isCandidate();
  /// Null, or why this is none.
  const char *match();
  void rewrite();
  Operation *getResultOp() { return result.getDefiningOp(); }
  StringRef getMeaning() const {
    return "only what is chosen of the experts is computed";
  }

private:
  const char *matchOne(EqualOp equal, int64_t number);
  const char *matchEach();
  const char *matchColumns(ScatterElementsOp scatter);
  /// Sets the term of an expert whose weights are `column`: [..., 1], or [...]
  /// and unsqueezed.
  const char *matchTerm(Value column, bool keeps, int64_t number);
  const char *matchExperts();
  const char *matchSum();
  const char *matchAll(UnsqueezeOp column);
  const char *matchFactors(Value factors);
  /// Whether an expert's weights are not set yet.
  bool isNew(std::optional<int64_t> number) {
    return number && *number >= 0 && *number < numExperts && !terms[*number];
  }
  bool isLast(Value axes, Value data) {
    return view.isAxis(axes, data, view.getRank(data) - 1);
  }

  GraphView &view;
  TopKOp top;
  int64_t numExperts = 0, chosen = 0, width = 0;
  /// Outputs of experts, times their weights; weights of the chosen, or of all
  /// (isBatched).
  SmallVector<Value> outputs, terms;
  Value weights, result;
  /// What else is added between the experts.
  SmallVector<Value> extras;
  /// Of the weights, to the type of what experts give.
  CastOp conversion;
  bool isBatched = false;
  std::optional<Expert> expert;
};
} // namespace

bool DenseMixture::isCandidate() {
  return llvm::any_of(top.getIndices().getUsers(), [](Operation *user) {
    if (auto column = dyn_cast<UnsqueezeOp>(user))
      return getOnlyUser<EqualOp>(column.getExpanded()) != nullptr;
    // Marks of groups are ones, and no weights.
    auto scatter = dyn_cast<ScatterElementsOp>(user);
    return isa<EqualOp>(user) ||
           (scatter &&
            !isa_and_nonnull<ExpandOp, ConstantOp, ConstantOfShapeOp>(
                scatter.getUpdates().getDefiningOp()));
  });
}

const char *DenseMixture::matchTerm(Value column, bool keeps, int64_t number) {
  if (!keeps) {
    auto unsqueeze = getOnlyUser<UnsqueezeOp>(column);
    if (!unsqueeze || !isLast(unsqueeze.getAxes(), unsqueeze.getExpanded()))
      return "an expert's weight is not only a factor";
    column = unsqueeze.getExpanded();
  }
  auto term = getOnlyUser<MulOp>(column);
  if (!term)
    return "an expert's weight is not only a factor";
  terms[number] = term->getResult(0);
  outputs[number] = getOther(term, column);
  return nullptr;
}

/// Mul(expert, ReduceSum(Mul(weights, Cast(numbers = number)))), or with
/// Where(numbers = number, weights, 0).
const char *DenseMixture::matchOne(EqualOp equal, int64_t number) {
  Value own, product;
  if (auto where = getOnlyUser<WhereOp>(equal->getResult(0))) {
    if (where.getCondition() == equal->getResult(0) &&
        view.getFill(where.getY()) == 0.0) {
      own = where.getX();
      product = where.getOutput();
    }
  } else if (auto cast = getOnlyUser<CastOp>(equal->getResult(0))) {
    if (auto factors = getOnlyUser<MulOp>(cast.getOutput())) {
      own = getOther(factors, cast.getOutput());
      product = factors->getResult(0);
    }
  }
  if (!product)
    return "what is compared with an expert's number is not only a factor";
  if (weights && own != weights)
    return "experts have weights of their own";
  weights = own;
  auto sum = getOnlyUser<ReduceSumOp>(product);
  if (!sum || !isLast(sum.getAxes(), sum.getData()))
    return "an expert's weights are not summed";
  return matchTerm(sum.getReduced(), sum.getKeepdims() != 0, number);
}

/// One product for each expert.
const char *DenseMixture::matchEach() {
  for (Operation *user : top.getIndices().getUsers()) {
    auto equal = dyn_cast<EqualOp>(user);
    if (!equal)
      continue;
    std::optional<int64_t> number =
        view.getInteger(getOther(equal, top.getIndices()));
    if (!isNew(number))
      return "numbers are not compared once with each expert's";
    if (const char *why = matchOne(equal, *number))
      return why;
  }
  return matchExperts();
}

/// Weights [..., E] that are 0 where an expert isn't chosen: those of the
/// chosen, scattered.
const char *DenseMixture::matchColumns(ScatterElementsOp scatter) {
  Value all = scatter.getOutput();
  if (scatter.getIndices() != top.getIndices() ||
      scatter.getReduction() != "none" ||
      !view.isLastAxis(all, scatter.getAxis()) ||
      view.getFill(scatter.getData()) != 0.0 ||
      !view.isFixed(view.getDim(all, -1), numExperts))
    return "weights are not put where their experts are, among zeros";
  weights = scatter.getUpdates();
  if (auto transpose = getOnlyUser<TransposeOp>(all))
    return matchFactors(all);
  if (getOnlyUser<CastOp>(all))
    return matchFactors(all);
  for (Operation *user : all.getUsers()) {
    std::optional<int64_t> number;
    bool keeps = true;
    if (auto gather = dyn_cast<GatherOp>(user)) {
      if (gather.getData() == all && view.isLastAxis(all, gather.getAxis()))
        number = view.getInteger(gather.getIndices());
      keeps = view.getRank(gather.getIndices()) == 1;
    } else if (auto slice = dyn_cast<SliceOp>(user)) {
      std::optional<SliceRange> range = view.getSlice(slice);
      if (range && view.isLastAxis(all, range->axis) &&
          view.isFixed(range->length, 1))
        if (auto start = dyn_cast<AffineConstantExpr>(range->start))
          number = start.getValue();
    }
    if (!isNew(number))
      return "weights are not taken once for each expert";
    if (const char *why = matchTerm(user->getResult(0), keeps, *number))
      return why;
  }
  return matchExperts();
}

/// What all terms are made of.
const char *DenseMixture::matchExperts() {
  if (llvm::is_contained(terms, Value()) || numExperts < 2)
    return "not every expert takes part";
  if (const char *why = matchSum())
    return why;
  expert.emplace(view, numExperts);
  for (int64_t number = 1; number < numExperts; ++number)
    if (const char *why = expert->match(outputs[0], outputs[number], number))
      return why;
  return expert->matchAllOwn();
}

/// The sum of all terms, in any order.
const char *DenseMixture::matchSum() {
  DenseSet<Value> left(terms.begin(), terms.end());
  result = terms[0];
  left.erase(result);
  while (!left.empty()) {
    auto sum = getOnlyUser<AddOp>(result);
    if (!sum)
      return "what experts give is not only summed";
    Value other = getOther(sum, result);
    if (left.erase(other)) {
      if (!other.hasOneUse())
        return "what experts give is not only summed";
    } else if (view.getFill(other) != 0.0) {
      extras.push_back(other);
    }
    if (!view.haveSameShape(sum->getResult(0), result))
      return "what is added between the experts is no row for each of theirs";
    result = sum->getResult(0);
  }
  return nullptr;
}

/// A product with the stack: [E,N,·]. The sum over chosen experts is one over
/// all whose weights are 0 where they are not chosen.
const char *DenseMixture::matchAll(UnsqueezeOp column) {
  isBatched = true;
  Value indices = top.getIndices();
  auto equal = getOnlyUser<EqualOp>(column.getExpanded());
  if (view.getRank(indices) != 2 || !equal ||
      !isLast(column.getAxes(), column.getExpanded()))
    return "numbers of experts are not one row for each input row";
  std::optional<SmallVector<int64_t>> numbers =
      view.getIntegers(getOther(equal, column.getExpanded()));
  if (!numbers || !llvm::equal(*numbers, llvm::seq<int64_t>(0, numExperts)))
    return "numbers are not compared with all experts'";
  auto cast = getOnlyUser<CastOp>(equal->getResult(0));
  auto sum = cast ? getOnlyUser<ReduceSumOp>(cast.getOutput()) : nullptr;
  if (!sum || sum.getKeepdims() != 0 ||
      !view.isAxis(sum.getAxes(), sum.getData(), 1))
    return "the choice does not become zeros and ones";
  auto product = getOnlyUser<MulOp>(sum.getReduced());
  if (!product)
    return "the choice is not only a factor";
  weights = getOther(product, sum.getReduced());
  if (!view.haveSameShape(weights, sum.getReduced()))
    return "weights are not of one row for each input row";
  return matchFactors(product->getResult(0));
}

/// Weights [N,E] along the experts, times what they give, summed over experts.
const char *DenseMixture::matchFactors(Value factors) {
  conversion = getOnlyUser<CastOp>(factors);
  if (conversion)
    factors = conversion.getOutput();
  auto transpose = getOnlyUser<TransposeOp>(factors);
  if (!transpose ||
      getMatrixTransposed(view, transpose.getTransposed()) != factors)
    return "weights are not laid along the experts";
  auto expand = getOnlyUser<UnsqueezeOp>(transpose.getTransposed());
  if (!expand || !isLast(expand.getAxes(), expand.getExpanded()))
    return "weights are not laid along the experts";
  auto term = getOnlyUser<MulOp>(expand.getExpanded());
  auto total = term ? getOnlyUser<ReduceSumOp>(term->getResult(0)) : nullptr;
  if (!total || total.getKeepdims() != 0 ||
      !view.isAxis(total.getAxes(), total.getData(), 0))
    return "what experts give is not only summed";
  outputs = {getOther(term, expand.getExpanded())};
  result = total.getReduced();
  expert.emplace(view, numExperts);
  return expert->match(outputs[0], outputs[0], -1);
}

const char *DenseMixture::match() {
  Value indices = top.getIndices();
  int64_t rank = view.getRank(indices);
  std::optional<int64_t> all = view.getFixedDim(top.getX(), -1),
                         few = view.getFixedDim(indices, -1);
  if (rank < 1 || !all || !few || *few < 1 ||
      !view.isLastAxis(indices, top.getAxis()))
    return "the numbers of experts are not in the last dimension";
  numExperts = *all;
  chosen = *few;
  outputs.assign(numExperts, Value());
  terms.assign(numExperts, Value());
  auto find = [&](auto isWanted) -> Operation * {
    auto users = llvm::make_filter_range(indices.getUsers(), isWanted);
    return users.empty() ? nullptr : *users.begin();
  };
  const char *why;
  if (Operation *column = find(llvm::IsaPred<UnsqueezeOp>))
    why = matchAll(cast<UnsqueezeOp>(column));
  else if (Operation *scatter = find(llvm::IsaPred<ScatterElementsOp>))
    why = matchColumns(cast<ScatterElementsOp>(scatter));
  else
    why = matchEach();
  if (why)
    return why;
  Value input = expert->getInput();
  if (!input)
    return "experts have no input";
  // Rows of the input are rows of what is chosen.
  SmallVector<AffineExpr> rows = view.getShape(input);
  if (view.getRank(input) < 1 || !view.hasShape(result, rows) ||
      !view.getFixedDim(input, -1) ||
      !view.isFixed(view.getDim(weights, -1), isBatched ? numExperts : chosen))
    return "rows of input, output and weights differ";
  width = *view.getFixedDim(input, -1);
  for (Value other : {indices, weights}) {
    SmallVector<AffineExpr> shape = rows;
    shape.back() = view.getDim(other, -1);
    if (!view.hasShape(other, shape))
      return "rows of input, output and weights differ";
  }
  return nullptr;
}

void DenseMixture::rewrite() {
  RaisedBuilder raised(getResultOp());
  Value input = expert->getInput(), indices = top.getIndices();
  Value numbers = reshape(raised, indices, {-1});
  Value rows = input;
  if (view.getRank(input) != 2)
    rows = reshape(raised, input, {-1, width});
  if (isBatched) {
    // Of the chosen only.
    auto type = RankedTensorType::get({ShapedType::kDynamic, chosen},
                                      getElementTypeOrSelf(weights.getType()));
    Value operands[] = {weights, indices};
    weights = raised
                  .create<GatherElementsOp>(
                      type, operands, 13, {raised.getNamed("axis", int64_t(1))})
                  .getOutput();
  }
  if (conversion) {
    IRMapping mapping;
    mapping.map(conversion.getInput(), weights);
    Operation *clone = raised.builder.clone(*conversion, mapping);
    clone->getResult(0).setType(
        RankedTensorType::get({ShapedType::kDynamic, chosen},
                              getElementTypeOrSelf(result.getType())));
    weights = clone->getResult(0);
  }
  Value each = expert->create(raised, outputs[0], rows, numbers, chosen);
  Value sum = createSum(raised, weights, each, chosen, width);
  Value shape =
      raised
          .create<ShapeOp>(RankedTensorType::get({view.getRank(input)},
                                                 raised.builder.getI64Type()),
                           input, 15)
          .getShape();
  Value operands[] = {sum, shape};
  Value fresh =
      raised.create<ReshapeOp>(result.getType(), operands, 13).getReshaped();
  for (Value extra : extras) {
    Value both[] = {fresh, extra};
    fresh = raised.create<AddOp>(result.getType(), both, 14).getResult();
  }
  view.replace(result, fresh);
}

//===----------------------------------------------------------------------===//
// Gathered matrices
//===----------------------------------------------------------------------===//

namespace {
/// A product with a matrix for each row, gathered from a stack.
class GatheredProduct {
public:
  GatheredProduct(GraphView &view, MatMulOp product)
      : view(view), product(product) {}

  bool isCandidate();
  const char *match();
  void rewrite();
  Operation *getResultOp() { return result.getDefiningOp(); }
  StringRef getMeaning() const { return "became ExpertMatMul"; }

private:
  /// Sets what is gathered; false if `value` isn't.
  bool matchGather(Value value);
  void matchRepeated();
  /// The data of an Unsqueeze at `axis`; or null.
  Value getSqueezed(Value value, int64_t axis);

  GraphView &view;
  MatMulOp product;
  Matrix matrix;
  Value rows, numbers, result;
  int64_t chosen = 1;
  /// The matrices are the first factor.
  bool isColumn = false;
};
} // namespace

Value GatheredProduct::getSqueezed(Value value, int64_t axis) {
  auto unsqueeze = value.getDefiningOp<UnsqueezeOp>();
  return unsqueeze && view.isAxis(unsqueeze.getAxes(), value, axis)
             ? unsqueeze.getData()
             : Value();
}

bool GatheredProduct::matchGather(Value value) {
  numbers = Value();
  matrix.transposed = value == product.getB();
  if (Value data = getMatrixTransposed(view, value)) {
    matrix.transposed = !matrix.transposed;
    value = data;
  }
  if (auto gather = value.getDefiningOp<GatherNDOp>()) {
    numbers = getSqueezed(gather.getIndices(), 1);
    matrix.stack = gather.getData();
    if (gather.getBatchDims() != 0)
      return false;
  } else if (auto gather = value.getDefiningOp<GatherOp>()) {
    numbers = gather.getIndices();
    matrix.stack = gather.getData();
    if (gather.getAxis() != 0)
      return false;
  }
  return numbers && view.getRank(numbers) == 1 &&
         view.getRank(matrix.stack) == 3;
}

bool GatheredProduct::isCandidate() {
  isColumn = matchGather(product.getA());
  return isColumn || matchGather(product.getB());
}

/// Rows that are repeated for each of the experts chosen for them.
void GatheredProduct::matchRepeated() {
  auto flat = rows.getDefiningOp<ReshapeOp>();
  auto expand = flat ? flat.getData().getDefiningOp<ExpandOp>() : nullptr;
  if (!expand || view.getRank(expand.getOutput()) != 3)
    return;
  Value single = getSqueezed(expand.getInput(), 1);
  std::optional<int64_t> count = view.getFixedDim(expand.getOutput(), 1);
  if (!single || !count || view.getRank(single) != 2 ||
      !view.isEqual(view.getDim(single, 0),
                    view.getDim(expand.getOutput(), 0)) ||
      !view.isEqual(view.getDim(single, 1),
                    view.getDim(expand.getOutput(), 2)) ||
      !view.isEqual(view.getDim(single, 1), view.getDim(rows, 1)))
    return;
  rows = single;
  chosen = *count;
}

const char *GatheredProduct::match() {
  int64_t axis = isColumn ? 2 : 1;
  rows = getSqueezed(isColumn ? product.getB() : product.getA(), axis);
  if (!rows || view.getRank(rows) != 2)
    return "the other factor is not a row for each matrix";
  if (!view.isEqual(view.getDim(rows, 0), view.getDim(numbers, 0)))
    return "there is not one matrix for each row";
  auto squeeze = getOnlyUser<SqueezeOp>(product.getY());
  if (!squeeze || !view.isAxis(squeeze.getAxes(), squeeze.getData(), axis))
    return "the product is not only used as rows";
  if (!getElementTypeOrSelf(numbers.getType()).isInteger(64) ||
      !isa<FloatType>(getElementTypeOrSelf(rows.getType())))
    return "the matrices are not of floats, or not chosen by int64";
  result = squeeze.getSqueezed();
  matchRepeated();
  return nullptr;
}

void GatheredProduct::rewrite() {
  RaisedBuilder raised(getResultOp());
  view.replace(result, createExpertMatMul(raised, result.getType(), rows,
                                          matrix, numbers, chosen));
}

namespace {
/// ReduceSum(Reshape(rows · weights)) over the experts chosen for a row.
class WeightedSum {
public:
  WeightedSum(GraphView &view, ReduceSumOp sum) : view(view), sum(sum) {}

  bool isCandidate();
  const char *match();
  void rewrite();
  Operation *getResultOp() { return sum; }
  StringRef getMeaning() const {
    return "the sum over chosen experts became a product";
  }

private:
  GraphView &view;
  ReduceSumOp sum;
  MulOp product;
  Value rows, weights;
  int64_t chosen = 0, width = 0;
};
} // namespace

/// A sum of rows that are an expert's.
bool WeightedSum::isCandidate() {
  auto folded = sum.getData().getDefiningOp<ReshapeOp>();
  product = folded ? folded.getData().getDefiningOp<MulOp>() : nullptr;
  if (!product)
    return false;
  for (Value operand : product->getOperands())
    if (operand.getDefiningOp<ExpertMatMulOp>())
      rows = operand;
  return rows != nullptr;
}

const char *WeightedSum::match() {
  std::optional<int64_t> count = view.getFixedDim(sum.getData(), 1),
                         size = view.getFixedDim(sum.getData(), 2);
  if (view.getRank(sum.getData()) != 3 || !count || !size ||
      sum.getKeepdims() != 0 || !view.isAxis(sum.getAxes(), sum.getData(), 1))
    return "the sum is not over the experts chosen for a row";
  if (!view.isFixed(view.getDim(rows, -1), *size))
    return "rows are not summed as they are";
  auto column = getOther(product, rows).getDefiningOp<UnsqueezeOp>();
  if (!column || view.getRank(column.getData()) != 1 ||
      !view.isAxis(column.getAxes(), column.getExpanded(), 1))
    return "there is not one weight for each row";
  weights = column.getData();
  chosen = *count;
  width = *size;
  return nullptr;
}

void WeightedSum::rewrite() {
  RaisedBuilder raised(sum.getOperation());
  Value total = createSum(raised, weights, rows, chosen, width);
  view.replace(sum.getReduced(), reshape(raised, total, {-1, width}));
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct RaiseMoE : hybrid::onnx::impl::ONNXRaiseMoEBase<RaiseMoE> {
  void runOnOperation() override {
    auto raise = [&](GraphView &view) {
      raiseGroups<TopKOp, DenseMixture>(view, numRaised, numRefused);
      raiseGroups<MatMulOp, GatheredProduct>(view, numRaised, numRefused);
      raiseGroups<ReduceSumOp, WeightedSum>(view, numRaised, numRefused);
      raiseGroups<TopKOp, MoERouter>(view, numRaised, numRefused);
    };
    if (failed(raiseIn(getOperation(), getArgument(), raise)))
      signalPassFailure();
  }
};
} // namespace
