//===- RaiseAttention.cpp - pass onnx-raise-attention ---------------------===//
//
// The anchor is the softmax over the last dimension of
//
//   scores = q · kᵀ, then in this order: scale, soft cap, masks
//
// whose result is multiplied with v. The scale may also lie on q, on k or on
// both; repeated key/value heads (Unsqueeze, Expand, Reshape) and caches
// (Concat of past and new) belong to the one operator, too.
//
//===----------------------------------------------------------------------===//

#include "EinsumProduct.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMathOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"

#include <cmath>

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXRAISEATTENTION
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

namespace {

/// What is added to the scores (or chosen instead of them).
struct MaskTerm {
  Value value;
  /// Boolean: true where the score is replaced by `blocked`, or with
  /// `isVisible` where it isn't.
  bool isBoolean = false, isVisible = false;
  double blocked = 0;
};

/// The scores and what happened to them.
struct Scores {
  Value product, left, right;
  bool isRightTransposed = false;
  double scale = 1, softcap = 0;
  SmallVector<MaskTerm, 2> masks;
};

class Attention {
public:
  Attention(GraphView &view, SoftmaxOp softmax)
      : view(view), softmax(softmax) {}

  /// A softmax over the last dimension of something of rank 4 that is
  /// multiplied with a matrix.
  bool isCandidate();
  /// Null, or why this is none.
  const char *match();
  void rewrite();
  Operation *getResultOp() { return result.getDefiningOp(); }
  StringRef getMeaning() const { return "became Attention"; }

private:
  const char *matchParts();
  /// Replaces an Einsum by a MatMul, until the match fails.
  void expand(EinsumOp einsum, Value left);
  void expandScores(Value value, unsigned depth = 0);
  void restore();
  std::optional<Scores> matchScores(Value value, unsigned depth = 0);
  std::optional<Scores> matchProduct(Operation *op);
  std::optional<Scores> matchScale(Operation *op, unsigned depth);
  std::optional<Scores> matchSoftcap(Operation *op, unsigned depth);
  std::optional<Scores> matchMask(Operation *op, unsigned depth);
  Value skipScale(Value value, double &scale);
  Value skipTranspose(Value transposed);
  Value swapHeads(Value value);
  Value getRepeated(Value heads);
  Value skipIdentity(Value value);
  const char *matchHeads();
  bool isMinusInfinity(double number, Type type);
  bool isBroadcastable(Value mask);

  Value createMask(RaisedBuilder &raised);
  Value createTerm(RaisedBuilder &raised, const MaskTerm &term, bool asBoolean);
  Value createBroadcast(Value a, Value b, Value result);

  GraphView &view;
  SoftmaxOp softmax;
  Value result, query, key, value;
  Scores scores;
  /// [B, H, T, n]
  SmallVector<AffineExpr> scoreShape;
  const char *whyNot = nullptr;
  /// What Einsums are for the time being, and how to make them again.
  struct Expanded {
    Value product;
    SmallVector<Value> inputs;
    Type type;
    SmallVector<NamedAttribute> attributes;
  };
  SmallVector<Expanded> expanded;
};

//===----------------------------------------------------------------------===//
// The scores
//===----------------------------------------------------------------------===//

bool isFloatCast(Operation *op) {
  auto cast = dyn_cast_or_null<CastOp>(op);
  return cast &&
         isa<FloatType>(getElementTypeOrSelf(cast.getInput().getType())) &&
         isa<FloatType>(getElementTypeOrSelf(op->getResult(0).getType()));
}

void Attention::expand(EinsumOp einsum, Value left) {
  Value fresh = createProduct(view, einsum, left);
  if (!fresh)
    return;
  expanded.push_back({fresh, llvm::to_vector(einsum.getInputs()),
                      einsum.getOutput().getType(),
                      llvm::to_vector(einsum->getAttrs())});
  view.replace(einsum.getOutput(), fresh);
  einsum.erase();
}

/// The Einsum behind what may happen to scores.
void Attention::expandScores(Value value, unsigned depth) {
  Operation *op = value.getDefiningOp();
  if (!op || !value.hasOneUse() || view.getRank(value) != 4 || depth > 8)
    return;
  if (auto einsum = dyn_cast<EinsumOp>(op))
    return expand(einsum, Value());
  if (isa<AddOp, WhereOp, MulOp, DivOp, TanhOp>(op) || isFloatCast(op))
    for (Value operand : op->getOperands())
      expandScores(operand, depth + 1);
}

void Attention::restore() {
  for (Expanded &old : llvm::reverse(expanded)) {
    RaisedBuilder raised(old.product);
    view.replace(old.product, raised.create<EinsumOp>(old.type, old.inputs, 0,
                                                      old.attributes));
  }
  expanded.clear();
}

bool Attention::isCandidate() {
  Value input = softmax.getInput();
  if (view.getRank(input) != 4 ||
      view.normalizeAxis(input, static_cast<int64_t>(softmax.getAxis())) != 3)
    return false;
  Value shares = softmax.getOutput();
  // What a row without visible keys gives: Where(IsNaN(p), 0, p).
  for (Operation *user : shares.getUsers())
    if (auto where = dyn_cast<WhereOp>(user);
        where && where.getY() == shares && view.isNumber(where.getX(), 0)) {
      auto isNan = where.getCondition().getDefiningOp<IsNaNOp>();
      if (isNan && isNan->getOperand(0) == shares &&
          llvm::hasNItems(shares.getUsers(), 2))
        shares = where.getOutput();
    }
  if (auto cast = getOnlyUser<CastOp>(shares); cast && isFloatCast(cast))
    shares = cast->getResult(0);
  if (auto einsum = getOnlyUser<EinsumOp>(shares)) {
    expand(einsum, shares);
    if (!expanded.empty())
      expandScores(input);
  }
  auto product = getOnlyUser<MatMulOp>(shares);
  if (!product || product->getOperand(0) != shares) {
    restore();
    return false;
  }
  value = product->getOperand(1);
  result = product->getResult(0);
  return true;
}

std::optional<Scores> Attention::matchProduct(Operation *op) {
  Scores found;
  if (auto product = dyn_cast<MsFusedMatMulOp>(op)) {
    if (product.getTransA() != 0 || product.getTransBatchA() != 0 ||
        product.getTransBatchB() != 0)
      return std::nullopt;
    found.isRightTransposed = product.getTransB() != 0;
    found.scale = product.getAlpha().convertToDouble();
  } else if (!isa<MatMulOp>(op)) {
    return std::nullopt;
  }
  found.product = op->getResult(0);
  found.left = op->getOperand(0);
  found.right = op->getOperand(1);
  return found;
}

std::optional<Scores> Attention::matchScale(Operation *op, unsigned depth) {
  bool isQuotient = isa<DivOp>(op);
  for (unsigned i : {1, 0}) {
    std::optional<double> number = view.getNumber(op->getOperand(i));
    if (!number || *number == 0 || (isQuotient && i == 0))
      continue;
    std::optional<Scores> found = matchScores(op->getOperand(1 - i), depth);
    // Behind a mask or a soft cap it isn't the operator's scale.
    if (!found || !found->masks.empty() || found->softcap != 0)
      return std::nullopt;
    found->scale *= isQuotient ? 1 / *number : *number;
    return found;
  }
  return std::nullopt;
}

/// c · tanh(s / c)
std::optional<Scores> Attention::matchSoftcap(Operation *op, unsigned depth) {
  for (unsigned i : {1, 0}) {
    std::optional<double> cap = view.getNumber(op->getOperand(i));
    auto curve = op->getOperand(1 - i).getDefiningOp<TanhOp>();
    if (!cap || !curve || !curve->getResult(0).hasOneUse() || *cap <= 0)
      continue;
    Operation *inner = curve->getOperand(0).getDefiningOp();
    if (!isa_and_nonnull<DivOp>(inner) ||
        !view.isNumber(inner->getOperand(1), *cap) ||
        !inner->getResult(0).hasOneUse())
      return std::nullopt;
    std::optional<Scores> found = matchScores(inner->getOperand(0), depth);
    if (!found || !found->masks.empty() || found->softcap != 0)
      return std::nullopt;
    found->softcap = *cap;
    return found;
  }
  return std::nullopt;
}

/// Minus infinity, or what its type has in its place: next to it, every
/// visible score's exponential hides the others'.
bool Attention::isMinusInfinity(double number, Type type) {
  if (std::isinf(number))
    return number < 0;
  auto element = dyn_cast<FloatType>(getElementTypeOrSelf(type));
  if (!element)
    return false;
  APFloat lowest =
      APFloat::getLargest(element.getFloatSemantics(), /*Negative=*/true);
  return number <= -1e30 || number <= lowest.convertToDouble();
}

std::optional<Scores> Attention::matchMask(Operation *op, unsigned depth) {
  if (isa<AddOp>(op)) {
    for (unsigned i : {0, 1}) {
      std::optional<Scores> found = matchScores(op->getOperand(i), depth);
      if (!found)
        continue;
      found->masks.push_back({op->getOperand(1 - i)});
      return found;
    }
    return std::nullopt;
  }
  auto where = cast<WhereOp>(op);
  for (bool isVisible : {true, false}) {
    Value constant = isVisible ? where.getY() : where.getX();
    std::optional<double> number = view.getNumber(constant);
    if (!number || !isMinusInfinity(*number, constant.getType()))
      continue;
    std::optional<Scores> found =
        matchScores(isVisible ? where.getX() : where.getY(), depth);
    if (found)
      found->masks.push_back(
          {where.getCondition(), /*isBoolean=*/true, isVisible, *number});
    return found;
  }
  return std::nullopt;
}

std::optional<Scores> Attention::matchScores(Value value, unsigned depth) {
  constexpr unsigned kMostSteps = 8;
  Operation *op = value.getDefiningOp();
  if (!op || depth > kMostSteps || view.getRank(value) != 4)
    return std::nullopt;
  if (!value.hasOneUse()) {
    if (isa<MatMulOp, MsFusedMatMulOp>(op))
      whyNot = "the scores are used elsewhere";
    return std::nullopt;
  }
  if (isFloatCast(op))
    return matchScores(op->getOperand(0), depth + 1);
  if (isa<AddOp, WhereOp>(op))
    return matchMask(op, depth + 1);
  if (isa<MulOp, DivOp>(op)) {
    if (std::optional<Scores> found = matchSoftcap(op, depth + 1))
      return found;
    return matchScale(op, depth + 1);
  }
  return matchProduct(op);
}

//===----------------------------------------------------------------------===//
// Queries, keys and values
//===----------------------------------------------------------------------===//

Value Attention::skipScale(Value value, double &scale) {
  Operation *op = value.getDefiningOp();
  if (!isa_and_nonnull<MulOp, DivOp>(op) || !value.hasOneUse())
    return value;
  bool isQuotient = isa<DivOp>(op);
  for (unsigned i : {1, 0}) {
    std::optional<double> number = view.getNumber(op->getOperand(i));
    if (!number || *number == 0 || (isQuotient && i == 0) ||
        !view.haveSameShape(op->getOperand(1 - i), value))
      continue;
    scale *= isQuotient ? 1 / *number : *number;
    return op->getOperand(1 - i);
  }
  return value;
}

bool hasPermutation(TransposeOp op, ArrayRef<int64_t> permutation) {
  return op && op.getPerm() && *op.getPerm() == permutation;
}

/// What `value` is a copy of, of the same shape: two Transposes or some
/// Reshapes that undo each other.
Value Attention::skipIdentity(Value value) {
  Value source = value;
  while (auto reshape = source.getDefiningOp<ReshapeOp>()) {
    source = reshape.getData();
    if (view.getRank(value) >= 0 && view.haveSameShape(source, value))
      return skipIdentity(source);
  }
  auto outer = value.getDefiningOp<TransposeOp>();
  auto inner = outer
                   ? skipIdentity(outer.getData()).getDefiningOp<TransposeOp>()
                   : nullptr;
  if (!inner || !inner.getPerm() || !outer.getPerm())
    return value;
  for (auto [i, dim] : llvm::enumerate(*outer.getPerm()))
    if ((*inner.getPerm())[dim] != static_cast<int64_t>(i))
      return value;
  return skipIdentity(inner.getData());
}

/// [B, H, n, d] of `value` [B, n, H, d].
Value Attention::swapHeads(Value value) {
  SmallVector<AffineExpr> shape = view.getShape(value);
  std::swap(shape[1], shape[2]);
  RaisedBuilder raised(value);
  auto perm = raised.builder.getDenseI64ArrayAttr({0, 2, 1, 3});
  Value result =
      raised
          .create<TransposeOp>(
              getTensorType(shape, getElementTypeOrSelf(value.getType())),
              value, 13, {raised.builder.getNamedAttr("perm", perm)})
          .getTransposed();
  view.setShape(result, shape);
  return result;
}

/// k [B, H, n, d] of kᵀ [B, H, d, n]; null where none is found.
Value Attention::skipTranspose(Value transposed) {
  auto direct = transposed.getDefiningOp<TransposeOp>();
  if (hasPermutation(direct, {0, 1, 3, 2}))
    return direct.getData();
  if (hasPermutation(direct, {0, 2, 3, 1})) {
    // From [B, n, H, d], which itself may be a transposed [B, H, n, d].
    Value keys = skipIdentity(direct.getData());
    auto heads = keys.getDefiningOp<TransposeOp>();
    if (hasPermutation(heads, {0, 2, 1, 3}))
      return heads.getData();
    return swapHeads(keys);
  }
  // Batch and heads as one dimension meanwhile.
  auto outer = transposed.getDefiningOp<ReshapeOp>();
  auto middle = outer ? outer.getData().getDefiningOp<TransposeOp>() : nullptr;
  if (!hasPermutation(middle, {0, 2, 1}))
    return Value();
  auto inner = middle.getData().getDefiningOp<ReshapeOp>();
  if (!inner || view.getRank(inner.getData()) != 4)
    return Value();
  Value keys = inner.getData();
  SmallVector<AffineExpr> shape = view.getShape(keys);
  bool isSame =
      view.isEqual(view.getDim(middle.getData(), 1), shape[2]) &&
      view.isEqual(view.getDim(middle.getData(), 2), shape[3]) &&
      view.hasShape(transposed, {shape[0], shape[1], shape[3], shape[2]});
  return isSame ? keys : Value();
}

/// x [B, Hkv, n, d] of Reshape(Expand(Unsqueeze(x))) [B, Hkv · G, n, d].
Value Attention::getRepeated(Value heads) {
  auto reshape = heads.getDefiningOp<ReshapeOp>();
  auto expand = reshape ? reshape.getData().getDefiningOp<ExpandOp>() : nullptr;
  auto unsqueeze =
      expand ? expand.getInput().getDefiningOp<UnsqueezeOp>() : nullptr;
  if (!unsqueeze)
    return Value();
  Value source = unsqueeze.getData();
  SmallVector<AffineExpr> shape = view.getShape(source);
  std::optional<int64_t> axis = view.getInteger(unsqueeze.getAxes());
  std::optional<int64_t> repeats = view.getFixedDim(expand.getOutput(), 2);
  std::optional<int64_t> sourceHeads = view.getFixedDim(source, 1);
  if (shape.size() != 4 || !axis || (*axis != 2 && *axis != -3) || !repeats ||
      !sourceHeads ||
      !view.hasShape(expand.getOutput(),
                     {shape[0], shape[1], view.getConstant(*repeats), shape[2],
                      shape[3]}) ||
      !view.hasShape(heads,
                     {shape[0], view.getConstant(*sourceHeads * *repeats),
                      shape[2], shape[3]}))
    return Value();
  return source;
}

const char *Attention::matchHeads() {
  query = skipScale(scores.left, scores.scale);
  Value right = skipScale(scores.right, scores.scale);
  key = scores.isRightTransposed ? right : skipTranspose(right);
  query = skipIdentity(query);
  value = skipIdentity(value);
  scoreShape = view.getShape(scores.product);
  SmallVector<AffineExpr> queryShape = view.getShape(query);
  SmallVector<AffineExpr> valueShape = view.getShape(value);
  if (queryShape.size() != 4 || valueShape.size() != 4 ||
      scoreShape.size() != 4)
    return "query or value is not of rank 4";
  if (!key)
    return "the keys are not transposed by an operator";
  if (!view.hasShape(query, {scoreShape[0], scoreShape[1], scoreShape[2],
                             queryShape[3]}) ||
      !view.hasShape(
          key, {scoreShape[0], scoreShape[1], scoreShape[3], queryShape[3]}) ||
      !view.hasShape(
          value, {scoreShape[0], scoreShape[1], scoreShape[3], valueShape[3]}))
    return "batches, heads or lengths of query, key and value are not "
           "provably equal";
  for (Value tensor : {query, value})
    if (!view.getFixedDim(tensor, 1) || !view.getFixedDim(tensor, 3))
      return "the number of heads or a head size is not fixed";
  if (getElementTypeOrSelf(key.getType()) !=
          getElementTypeOrSelf(query.getType()) ||
      getElementTypeOrSelf(value.getType()) !=
          getElementTypeOrSelf(query.getType()))
    return "query, key and value have different element types";
  Value keys = getRepeated(key), values = getRepeated(value);
  if (keys && values &&
      view.isEqual(view.getDim(keys, 1), view.getDim(values, 1))) {
    key = keys;
    value = values;
  }
  return nullptr;
}

/// Of rank 1 to 4, each dimension 1 or the scores', the last one the scores'.
bool Attention::isBroadcastable(Value mask) {
  int64_t rank = view.getRank(mask);
  if (rank < 1 || rank > 4)
    return false;
  for (int64_t dim = 1; dim <= rank; ++dim) {
    AffineExpr size = view.getDim(mask, -dim);
    if (!view.isEqual(size, scoreShape[4 - dim]) &&
        (dim == 1 || !view.isFixed(size, 1)))
      return false;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// The operator
//===----------------------------------------------------------------------===//

const char *Attention::match() {
  const char *why = matchParts();
  if (why)
    restore();
  return why;
}

const char *Attention::matchParts() {
  std::optional<Scores> found = matchScores(softmax.getInput());
  if (!found)
    return whyNot ? whyNot
                  : "the softmax is not of a product of matrices with a "
                    "constant scale, a soft cap and masks, in this order";
  scores = *found;
  if (const char *why = matchHeads())
    return why;
  if (scores.scale <= 0)
    return "the scale is not positive";
  for (const MaskTerm &term : scores.masks)
    if (!isBroadcastable(term.value))
      return "a mask has not provably the scores' shape, or 1 where it is "
             "repeated";
  return nullptr;
}

/// Notes the shape of the elementwise `result` of `a` and `b`.
Value Attention::createBroadcast(Value a, Value b, Value result) {
  SmallVector<AffineExpr> shape = view.getShape(a), other = view.getShape(b);
  if (shape.size() < other.size())
    std::swap(shape, other);
  for (auto [dim, size] : llvm::zip(llvm::reverse(shape), llvm::reverse(other)))
    if (view.isFixed(dim, 1))
      dim = size;
  view.setShape(result, shape);
  result.setType(getTensorType(shape, getElementTypeOrSelf(result.getType())));
  return result;
}

/// One term as a boolean that is true where keys are visible, or as numbers
/// to add.
Value Attention::createTerm(RaisedBuilder &raised, const MaskTerm &term,
                            bool asBoolean) {
  if (!term.isBoolean)
    return term.value;
  Value visible = term.value;
  if (!term.isVisible) {
    visible = raised.create<NotOp>(visible.getType(), visible)->getResult(0);
    view.setShape(visible, view.getShape(term.value));
  }
  if (asBoolean)
    return visible;
  Type element = getElementTypeOrSelf(query.getType());
  auto scalar = RankedTensorType::get({}, element);
  auto constant = [&](double number) -> Value {
    auto value = raised.builder.getFloatAttr(element, number);
    Value result = ConstantOp::create(raised.builder, raised.loc, scalar,
                                      DenseElementsAttr::get(scalar, value));
    view.setShape(result, {});
    return result;
  };
  auto type = cast<RankedTensorType>(visible.getType());
  Value operands[] = {visible, constant(0), constant(term.blocked)};
  Value numbers =
      raised.create<WhereOp>(type.clone(element), operands)->getResult(0);
  view.setShape(numbers, view.getShape(visible));
  return numbers;
}

Value Attention::createMask(RaisedBuilder &raised) {
  bool asBoolean = llvm::all_of(scores.masks, [](const MaskTerm &term) {
    return term.isBoolean && std::isinf(term.blocked);
  });
  Value mask;
  for (const MaskTerm &term : scores.masks) {
    Value next = createTerm(raised, term, asBoolean);
    if (!mask) {
      mask = next;
      continue;
    }
    Value operands[] = {mask, next};
    Operation *both;
    if (asBoolean)
      both = raised.create<AndOp>(next.getType(), operands);
    else
      both = raised.create<AddOp>(next.getType(), operands);
    mask = createBroadcast(mask, next, both->getResult(0));
  }
  return mask ? mask : raised.getNone();
}

void Attention::rewrite() {
  RaisedBuilder raised(getResultOp());
  Value mask = createMask(raised);
  Value none = raised.getNone();
  Type noneType = none.getType();
  NamedAttribute attributes[] = {raised.getNamed("scale", scores.scale),
                                 raised.getNamed("softcap", scores.softcap)};
  Value operands[] = {query, key, value, mask, none, none, none};
  auto attention = raised.create<AttentionOp>(
      {result.getType(), noneType, noneType, noneType}, operands, 24,
      attributes);
  view.replace(result, attention.getY());
}

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

/// Attention over Concat(past, new) along the positions, for keys and values:
/// past and new become operands, what is concatenated results.
class Caches {
public:
  Caches(GraphView &view, AttentionOp attention)
      : view(view), attention(attention) {}

  bool match();
  void rewrite();

private:
  ConcatOp getConcat(Value value);
  /// All other uses are behind the attention, or only read the shape.
  bool canReplace(ConcatOp concat);
  void replace(ConcatOp concat, Value present);

  GraphView &view;
  AttentionOp attention;
  ConcatOp keys, values;
};

ConcatOp Caches::getConcat(Value value) {
  auto concat = value.getDefiningOp<ConcatOp>();
  bool isCache =
      concat && view.getRank(value) == 4 && concat.getInputs().size() == 2 &&
      view.normalizeAxis(value, static_cast<int64_t>(concat.getAxis())) == 2;
  return isCache ? concat : ConcatOp();
}

bool Caches::canReplace(ConcatOp concat) {
  return llvm::all_of(concat->getUsers(), [&](Operation *user) {
    return isa<ShapeOp>(user) || user == attention ||
           (user->getBlock() == attention->getBlock() &&
            attention->isBeforeInBlock(user));
  });
}

bool Caches::match() {
  if (!isa<NoneType>(attention.getPastKey().getType()) ||
      !isa<NoneType>(attention.getNonpadKvSeqlen().getType()) ||
      attention.getIsCausal() != 0)
    return false;
  keys = getConcat(attention.getK());
  values = getConcat(attention.getV());
  return keys && values && keys != values &&
         view.isEqual(view.getDim(keys.getInputs()[0], 2),
                      view.getDim(values.getInputs()[0], 2)) &&
         canReplace(keys) && canReplace(values);
}

void Caches::replace(ConcatOp concat, Value present) {
  Value joined = concat->getResult(0);
  view.setShape(present, view.getShape(joined));
  joined.replaceUsesWithIf(present, [&](OpOperand &use) {
    return attention->isBeforeInBlock(use.getOwner());
  });
}

void Caches::rewrite() {
  Value presentKey = attention.getPresentKey();
  Value presentValue = attention.getPresentValue();
  presentKey.setType(keys.getType());
  presentValue.setType(values.getType());
  replace(keys, presentKey);
  replace(values, presentValue);
  attention.getKMutable().assign(keys.getInputs()[1]);
  attention.getPastKeyMutable().assign(keys.getInputs()[0]);
  attention.getVMutable().assign(values.getInputs()[1]);
  attention.getPastValueMutable().assign(values.getInputs()[0]);
}

struct RaiseAttention
    : hybrid::onnx::impl::ONNXRaiseAttentionBase<RaiseAttention> {
  void runOnOperation() override {
    auto raise = [&](GraphView &view) {
      raiseGroups<SoftmaxOp, Attention>(view, numRaised, numRefused);
      for (auto attention :
           llvm::to_vector(view.getBlock().getOps<AttentionOp>())) {
        Caches caches(view, attention);
        if (!caches.match())
          continue;
        caches.rewrite();
        ++numCaches;
        view.reportRaised(attention, "took past keys and values as operands");
      }
      view.eraseDead();
    };
    if (failed(raiseIn(getOperation(), getArgument(), raise)))
      signalPassFailure();
  }
};

} // namespace
