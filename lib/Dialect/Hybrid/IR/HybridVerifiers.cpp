//===- HybridVerifiers.cpp - the numbered constraints of computations -----===//
//
// Each message starts with the number of the constraint in the operation's
// description. Dynamic sizes agree with every size. Result types are checked by
// DestinationStyleOpInterface.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace hybrid;

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

namespace {
/// An operand and what messages call it.
struct Named {
  StringRef name;
  ShapedType type;
  Named(StringRef name, Value value)
      : name(name), type(cast<ShapedType>(value.getType())) {}
  int64_t dim(unsigned index) const { return type.getDimSize(index); }
};
} // namespace

/// Starts the message for constraint `number`.
static InFlightDiagnostic violates(Operation *op, unsigned number) {
  return op->emitOpError() << "C" << number << ": ";
}

static bool agree(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

static bool isMultiple(int64_t a, int64_t b) {
  if (ShapedType::isDynamic(a) || ShapedType::isDynamic(b))
    return true;
  return b != 0 && a % b == 0;
}

static bool hasShape(ShapedType type, ArrayRef<int64_t> shape) {
  return type.getRank() == static_cast<int64_t>(shape.size()) &&
         llvm::all_of_zip(type.getShape(), shape, agree);
}

/// `shape` as in a type: [1,?,64].
static std::string text(ArrayRef<int64_t> shape) {
  std::string result = "[";
  llvm::raw_string_ostream os(result);
  llvm::interleave(
      shape, os,
      [&](int64_t size) {
        if (ShapedType::isDynamic(size))
          os << "?";
        else
          os << size;
      },
      ",");
  os << "]";
  return result;
}

static LogicalResult verifyRank(Operation *op, unsigned number,
                                ArrayRef<Named> operands, int64_t rank) {
  for (const Named &operand : operands)
    if (operand.type.getRank() != rank)
      return violates(op, number) << operand.name << " must have rank " << rank
                                  << ", but is " << operand.type;
  return success();
}

static LogicalResult verifyFloat(Operation *op, unsigned number,
                                 ArrayRef<Named> operands) {
  for (const Named &operand : operands)
    if (!isa<FloatType>(operand.type.getElementType()))
      return violates(op, number)
             << operand.name << " must have a float element type, but is "
             << operand.type;
  return success();
}

static LogicalResult verifyShape(Operation *op, unsigned number,
                                 const Named &operand,
                                 ArrayRef<int64_t> shape) {
  if (hasShape(operand.type, shape))
    return success();
  return violates(op, number) << operand.name << " must have shape "
                              << text(shape) << ", but is " << operand.type;
}

/// Checks that all of `operands` have the first one's shape and rank ≥ 1.
static LogicalResult verifySameShape(Operation *op, unsigned number,
                                     ArrayRef<Named> operands) {
  if (operands.front().type.getRank() < 1)
    return violates(op, number)
           << operands.front().name << " must have rank 1 or more, but is "
           << operands.front().type;
  for (const Named &operand : operands.drop_front())
    if (failed(
            verifyShape(op, number, operand, operands.front().type.getShape())))
      return failure();
  return success();
}

/// Whether `type` broadcasts to `shape` with the last dimensions aligned.
static bool broadcastsTo(ShapedType type, ArrayRef<int64_t> shape) {
  if (type.getRank() > static_cast<int64_t>(shape.size()))
    return false;
  for (auto [size, target] :
       llvm::zip(type.getShape(), shape.take_back(type.getRank())))
    if (size != 1 && !agree(size, target))
      return false;
  return true;
}

static LogicalResult verifyEpsilon(Operation *op, unsigned number,
                                   const APFloat &epsilon) {
  // A NaN is refused as well.
  if (epsilon.convertToDouble() >= 0)
    return success();
  return violates(op, number)
         << "epsilon must be 0 or more, but is " << epsilon.convertToDouble();
}

/// Checks that groups of `groupSize` elements divide `size` elements.
static LogicalResult verifyGroups(Operation *op, unsigned number,
                                  int64_t groupSize, int64_t size) {
  if (groupSize < 0)
    return violates(op, number)
           << "group_size must be 0 or more, but is " << groupSize;
  if (groupSize > 0 && !isMultiple(size, groupSize))
    return violates(op, number)
           << "group_size " << groupSize << " does not divide the " << size
           << " elements that are normalised together";
  return success();
}

//===----------------------------------------------------------------------===//
// AttentionOp
//===----------------------------------------------------------------------===//

LogicalResult AttentionOp::verify() {
  Named query("query", getQuery()), key("key", getKey()),
      value("value", getValue()), init("init", getInit());
  if (failed(verifyRank(*this, 1, {query, key, value, init}, 4)))
    return failure();
  int64_t batch = query.dim(0), heads = query.dim(getQueryHeadDim()),
          time = query.dim(getQueryTimeDim()),
          kvHeads = key.dim(getKvHeadDim());
  for (const Named &operand : {key, value, init})
    if (!agree(operand.dim(0), batch))
      return violates(*this, 1)
             << "batch sizes of query and " << operand.name
             << " differ: " << batch << " and " << operand.dim(0);
  for (unsigned dim : {1u, 2u})
    if (!agree(key.dim(dim), value.dim(dim)))
      return violates(*this, 2)
             << "key and value differ in "
             << (dim == getKvHeadDim() ? "heads" : "positions") << ": "
             << key.dim(dim) << " and " << value.dim(dim);
  if (!isMultiple(heads, kvHeads))
    return violates(*this, 3) << heads << " query heads are no multiple of "
                              << kvHeads << " key/value heads";
  if (!agree(query.dim(3), key.dim(3)))
    return violates(*this, 4)
           << "head dimensions of query and key differ: " << query.dim(3)
           << " and " << key.dim(3);
  if (failed(verifyShape(*this, 5, init,
                         {batch, query.dim(1), query.dim(2), value.dim(3)})) ||
      failed(verifyFloat(*this, 6, {query, key, value, init})))
    return failure();

  if (getMask()) {
    ShapedType type = getMask().getType();
    Type element = type.getElementType();
    if (!element.isInteger(1) && !isa<FloatType>(element))
      return violates(*this, 7)
             << "mask must be boolean or float, but is " << type;
    if (type.getRank() == 0 ||
        !broadcastsTo(type, {batch, heads, time, ShapedType::kDynamic}))
      return violates(*this, 7)
             << "mask must broadcast to "
             << text({batch, heads, time, ShapedType::kDynamic}) << ", but is "
             << type;
  }
  if (getSinks() &&
      (failed(verifyFloat(*this, 8, {{"sinks", getSinks()}})) ||
       failed(verifyShape(*this, 8, {"sinks", getSinks()}, {heads}))))
    return failure();
  if (getLengths()) {
    if (!getLengths().getType().getElementType().isInteger(64))
      return violates(*this, 9) << "lengths must have element type i64, but is "
                                << getLengths().getType();
    if (failed(verifyShape(*this, 9, {"lengths", getLengths()}, {batch})))
      return failure();
  }
  if (getWindowLeft() < -1 || getWindowRight() < -1)
    return violates(*this, 10)
           << "window_left and window_right must be -1 (no window) or more, "
              "but are "
           << getWindowLeft() << " and " << getWindowRight();
  if (getSinkPrefix() < 0)
    return violates(*this, 10)
           << "sink_prefix must be 0 or more, but is " << getSinkPrefix();
  if (getSinkPrefix() > 0 && getWindowLeft() < 0)
    return violates(*this, 10) << "sink_prefix needs a window_left";
  if (!(getSoftcap().convertToDouble() >= 0))
    return violates(*this, 11) << "softcap must be 0 or more, but is "
                               << getSoftcap().convertToDouble();
  if (getEmptyIsMean() && (getSinks() || getLengths()))
    return violates(*this, 12)
           << "empty_is_mean takes no " << (getSinks() ? "sinks" : "lengths");
  return success();
}

//===----------------------------------------------------------------------===//
// ScanOp
//===----------------------------------------------------------------------===//

/// Checks that the rule has `operand` exactly when it uses it.
static LogicalResult verifyPresence(ScanOp op, unsigned number, StringRef name,
                                    Value operand, bool isUsed) {
  if (static_cast<bool>(operand) == isUsed)
    return success();
  return violates(op, number) << "rule " << stringifyUpdateRule(op.getRule())
                              << (isUsed ? " needs " : " takes no ") << name;
}

LogicalResult ScanOp::verify() {
  Named query("query", getQuery()), key("key", getKey()),
      value("value", getValue()), init("init", getInit()),
      state("state", getState());
  if (failed(verifyRank(*this, 1, {query, key, value, init, state}, 4)))
    return failure();
  for (const Named &operand : {key, value, init})
    for (unsigned dim : {0u, 1u})
      if (!agree(operand.dim(dim), query.dim(dim)))
        return violates(*this, 2)
               << "query and " << operand.name << " differ in "
               << (dim == 0 ? "batch" : "time") << ": " << query.dim(dim)
               << " and " << operand.dim(dim);
  int64_t batch = query.dim(0), time = query.dim(1), queryHeads = query.dim(2),
          keyHeads = key.dim(2), valueHeads = value.dim(2), keyDim = key.dim(3),
          valueDim = value.dim(3);
  if (!isMultiple(queryHeads, valueHeads) &&
      !isMultiple(valueHeads, queryHeads))
    return violates(*this, 3)
           << "of " << queryHeads << " query heads and " << valueHeads
           << " value heads none is a multiple of the other";
  if (!isMultiple(valueHeads, keyHeads))
    return violates(*this, 3)
           << valueHeads << " value heads are no multiple of " << keyHeads
           << " key heads";
  if (!agree(query.dim(3), keyDim))
    return violates(*this, 4)
           << "head dimensions of query and key differ: " << query.dim(3)
           << " and " << keyDim;
  int64_t heads =
      ShapedType::isDynamic(queryHeads) || ShapedType::isDynamic(valueHeads)
          ? ShapedType::kDynamic
          : std::max(queryHeads, valueHeads);
  if (failed(verifyShape(*this, 5, init, {batch, time, heads, valueDim})) ||
      failed(
          verifyShape(*this, 6, state, {batch, valueHeads, keyDim, valueDim})))
    return failure();

  UpdateRule rule = getRule();
  bool isGated = rule == UpdateRule::Gated || rule == UpdateRule::GatedDelta;
  bool isDelta = rule == UpdateRule::Delta || rule == UpdateRule::GatedDelta;
  if (failed(verifyPresence(*this, 7, "decay", getDecay(), isGated)) ||
      failed(verifyPresence(*this, 8, "beta", getBeta(), isDelta)))
    return failure();
  if (getDecay()) {
    ShapedType type = getDecay().getType();
    if (!hasShape(type, {batch, time, valueHeads}) &&
        !hasShape(type, {batch, time, valueHeads, keyDim}))
      return violates(*this, 7)
             << "decay must have shape " << text({batch, time, valueHeads})
             << " or " << text({batch, time, valueHeads, keyDim}) << ", but is "
             << type;
  }
  if (getBeta()) {
    ShapedType type = getBeta().getType();
    if (!hasShape(type, {batch, time, valueHeads}) &&
        !hasShape(type, {batch, time, 1}))
      return violates(*this, 8)
             << "beta must have shape " << text({batch, time, valueHeads})
             << " or " << text({batch, time, 1}) << ", but is " << type;
  }
  SmallVector<Named> floats = {query, key, value, init, state};
  if (getDecay())
    floats.emplace_back("decay", getDecay());
  if (getBeta())
    floats.emplace_back("beta", getBeta());
  if (failed(verifyFloat(*this, 9, floats)))
    return failure();

  ScanForm form = getForm().value_or(ScanForm::Sequential);
  if (form == ScanForm::Sequential) {
    if (getChunk() || getSequentialBelow())
      return violates(*this, 10) << "chunk and sequential_below are for the "
                                    "forms chunked and associative";
    return success();
  }
  if (!getChunk() || *getChunk() < 1 || *getChunk() > 128)
    return violates(*this, 10) << "form " << stringifyEnum(form)
                               << " needs chunk, between 1 and 128";
  if (getSequentialBelow().value_or(0) < 0)
    return violates(*this, 10)
           << "sequential_below is negative: " << *getSequentialBelow();
  if (form == ScanForm::Associative && isDelta)
    return violates(*this, 11)
           << "rule " << stringifyEnum(rule)
           << " has no associative form: products of its steps fill up";
  for (int64_t dim : {keyDim, valueDim})
    if (ShapedType::isDynamic(dim) || dim > 256)
      return violates(*this, 12)
             << "form " << stringifyEnum(form)
             << " needs static head dimensions of at most 256";
  return success();
}

//===----------------------------------------------------------------------===//
// CausalConvOp
//===----------------------------------------------------------------------===//

LogicalResult CausalConvOp::verify() {
  Named input("input", getInput()), weight("weight", getWeight()),
      init("init", getInit()), state("state", getState());
  if (failed(verifyRank(*this, 1, {input, init}, 3)) ||
      failed(verifyShape(*this, 1, init, input.type.getShape())))
    return failure();
  int64_t batch = input.dim(0), channels = input.dim(getChannelDim());
  if (weight.type.getRank() != 2 || !agree(weight.dim(0), channels) ||
      weight.dim(1) == 0)
    return violates(*this, 2)
           << "weight must have shape " << text({channels})
           << " x K with K of 1 or more, but is " << weight.type;
  if (getBias() &&
      failed(verifyShape(*this, 2, {"bias", getBias()}, {channels})))
    return failure();
  int64_t width = weight.dim(1);
  int64_t stateWidth = ShapedType::isDynamic(width) ? width : width - 1;
  if (failed(verifyShape(*this, 3, state, {batch, channels, stateWidth})))
    return failure();
  SmallVector<Named> floats = {input, weight, init, state};
  if (getBias())
    floats.emplace_back("bias", getBias());
  if (failed(verifyFloat(*this, 4, floats)))
    return failure();
  if (getActivation() == Activation::Sigmoid)
    return violates(*this, 5) << "activation must be none or silu, but is "
                              << stringifyActivation(getActivation());
  return success();
}

//===----------------------------------------------------------------------===//
// RopeOp
//===----------------------------------------------------------------------===//

LogicalResult RopeOp::verify() {
  Named input("input", getInput()), cos("cos", getCos()), sin("sin", getSin()),
      init("init", getInit());
  if (failed(verifyRank(*this, 1, {input, init}, 4)) ||
      failed(verifyShape(*this, 1, init, input.type.getShape())))
    return failure();
  int64_t batch = input.dim(0), time = input.dim(getTimeDim()),
          size = input.dim(3);
  int64_t rotary = getRotaryDim();
  if (rotary <= 0 || rotary % 2 != 0 ||
      (!ShapedType::isDynamic(size) && rotary > size))
    return violates(*this, 2) << "rotary_dim must be even, positive and at "
                                 "most the last dimension "
                                 "of the input, but is "
                              << rotary << " for " << input.type;

  bool isTable = static_cast<bool>(getPositions());
  if (failed(verifyRank(*this, 3, {cos, sin}, isTable ? 2 : 3)) ||
      failed(verifyShape(*this, 3, sin, cos.type.getShape())))
    return failure();
  int64_t columns = cos.type.getShape().back();
  if (!ShapedType::isDynamic(columns) && columns < rotary / 2)
    return violates(*this, 3)
           << "cos and sin need rotary_dim/2 = " << rotary / 2
           << " columns, but have " << columns;
  if (!isTable && !hasShape(cos.type, {batch, time, columns}) &&
      !hasShape(cos.type, {1, time, columns}))
    return violates(*this, 3)
           << "cos and sin must have shape " << text({batch, time, columns})
           << " or " << text({1, time, columns}) << ", but are " << cos.type;
  if (isTable) {
    ShapedType type = getPositions().getType();
    if (!type.getElementType().isInteger(64) ||
        (!hasShape(type, {batch, time}) && !hasShape(type, {1, time})))
      return violates(*this, 4)
             << "positions must be i64 of shape " << text({batch, time})
             << " or " << text({1, time}) << ", but is " << type;
  }
  return verifyFloat(*this, 5, {input, cos, sin, init});
}

//===----------------------------------------------------------------------===//
// NormOp, GatedNormOp
//===----------------------------------------------------------------------===//

LogicalResult NormOp::verify() {
  Named input("input", getInput()), init("init", getInit());
  if (failed(verifySameShape(*this, 1, {input, init})))
    return failure();
  ArrayRef<int64_t> shape = input.type.getShape();
  int64_t rank = shape.size(), axis = getAxis();
  if (axis < 0 || axis >= rank)
    return violates(*this, 2)
           << "axis must be between 0 and " << rank - 1 << ", but is " << axis;
  SmallVector<Named> floats = {input, init};
  if (getScale())
    floats.emplace_back("scale", getScale());
  if (getBias())
    floats.emplace_back("bias", getBias());
  for (const Named &operand : ArrayRef<Named>(floats).drop_front(2))
    if (!broadcastsTo(operand.type, shape))
      return violates(*this, 3)
             << operand.name << " must broadcast to the input's shape "
             << text(shape) << ", but is " << operand.type;
  if (failed(verifyEpsilon(*this, 4, getEpsilon())))
    return failure();
  if (getGroupSize() > 0 && axis != rank - 1)
    return violates(*this, 5) << "group_size needs the last dimension, "
                              << rank - 1 << ", as axis, but axis is " << axis;
  if (failed(verifyGroups(*this, 5, getGroupSize(), shape.back())) ||
      failed(verifyFloat(*this, 6, floats)))
    return failure();
  if (getZeroCentered() && !getScale())
    return violates(*this, 7) << "zero_centered needs a scale";
  return success();
}

LogicalResult GatedNormOp::verify() {
  Named input("input", getInput()), gate("gate", getGate()),
      init("init", getInit());
  if (failed(verifySameShape(*this, 1, {input, gate, init})))
    return failure();
  int64_t channels = input.type.getShape().back(), group = getGroupSize();
  SmallVector<Named> floats = {input, gate, init};
  if (getScale()) {
    floats.emplace_back("scale", getScale());
    ShapedType type = getScale().getType();
    if (!hasShape(type, {channels}) && !(group > 0 && hasShape(type, {group})))
      return violates(*this, 2)
             << "scale must have shape " << text({channels})
             << (group > 0 ? " or " + text({group}) : std::string())
             << ", but is " << type;
  }
  if (failed(verifyGroups(*this, 3, group, channels)) ||
      failed(verifyEpsilon(*this, 4, getEpsilon())) ||
      failed(verifyFloat(*this, 5, floats)))
    return failure();
  if (getActivation() == Activation::None)
    return violates(*this, 6) << "activation must be silu or sigmoid, but is "
                              << stringifyActivation(getActivation());
  return success();
}

//===----------------------------------------------------------------------===//
// CacheAppendOp, RingReadOp, CumSumOp, MatmulOp
//===----------------------------------------------------------------------===//

/// Checks C4 of `op`: a position per sequence.
static LogicalResult verifyPositions(Operation *op, Value positions,
                                     int64_t batch) {
  if (!cast<ShapedType>(positions.getType()).getElementType().isInteger(64))
    return violates(op, 4) << "positions must have element type i64, but is "
                           << positions.getType();
  return verifyShape(op, 4, {"positions", positions}, {batch});
}

/// Checks C5 of `op`.
static LogicalResult verifyRing(Operation *op, const Named &ring,
                                int64_t sinkPrefix) {
  int64_t size = ring.dim(2);
  if (ShapedType::isDynamic(size))
    return violates(op, 5) << "the positions of a ring must be static, but "
                           << ring.name << " is " << ring.type;
  if (sinkPrefix < 0 || sinkPrefix >= size)
    return violates(op, 5) << "sink_prefix must be between 0 and " << size - 1
                           << ", but is " << sinkPrefix;
  return success();
}

LogicalResult CacheAppendOp::verify() {
  Named input("input", getInput()), cache("cache", getCache());
  if (failed(verifyRank(*this, 1, {input, cache}, 4)))
    return failure();
  int64_t heads = input.dim(getHeadDim());
  if (!hasShape(cache.type,
                {input.dim(0), heads, ShapedType::kDynamic, input.dim(3)}))
    return violates(*this, 2)
           << "cache must have shape "
           << text({input.dim(0), heads, ShapedType::kDynamic, input.dim(3)})
           << " for input " << input.type << ", but is " << cache.type;
  if (input.type.getElementType() != cache.type.getElementType())
    return violates(*this, 3) << "element types of input and cache differ: "
                              << input.type.getElementType() << " and "
                              << cache.type.getElementType();
  if (Value positions = getPositions();
      positions && failed(verifyPositions(*this, positions, input.dim(0))))
    return failure();
  if (getRing())
    return verifyRing(*this, cache, getSinkPrefix());
  if (getSinkPrefix() != 0)
    return violates(*this, 5) << "sink_prefix needs ring";
  return success();
}

LogicalResult RingReadOp::verify() {
  Named ring("ring", getRing()), input("input", getInput()),
      init("init", getInit());
  if (failed(verifyRank(*this, 1, {ring, input, init}, 4)))
    return failure();
  int64_t size = ring.dim(2), time = input.dim(getTimeDim());
  SmallVector<int64_t> kept = {input.dim(0), input.dim(getHeadDim()), size,
                               input.dim(3)},
                       all = kept;
  all[2] = ShapedType::isDynamic(size) || ShapedType::isDynamic(time)
               ? ShapedType::kDynamic
               : size + time;
  for (const auto &[named, shape] :
       {std::pair(ring, kept), std::pair(init, all)}) {
    if (failed(verifyShape(*this, 2, named, shape)))
      return failure();
    if (named.type.getElementType() != input.type.getElementType())
      return violates(*this, 3) << "element types of input and " << named.name
                                << " differ: " << input.type.getElementType()
                                << " and " << named.type.getElementType();
  }
  if (failed(verifyPositions(*this, getPositions(), input.dim(0))))
    return failure();
  return verifyRing(*this, ring, getSinkPrefix());
}

LogicalResult CumSumOp::verify() {
  Named input("input", getInput()), init("init", getInit());
  if (failed(verifySameShape(*this, 1, {input, init})))
    return failure();
  Type element = input.type.getElementType();
  if (element != init.type.getElementType())
    return violates(*this, 1)
           << "element types of input and init differ: " << element << " and "
           << init.type.getElementType();
  int64_t rank = input.type.getRank();
  if (getAxis() < 0 || getAxis() >= rank)
    return violates(*this, 2) << "axis must be between 0 and " << rank - 1
                              << ", but is " << getAxis();
  if (!isa<IntegerType, FloatType>(element))
    return violates(*this, 3)
           << "the element type must be an integer or float, but is "
           << element;
  return success();
}

int64_t hybrid::getNumPieces(Type type) {
  return type.isF32() ? 3 : type.isF16() ? 2 : type.isBF16() ? 1 : 0;
}

/// Whether `tiles` can hold `rows` rows of `length` numbers, see pack_rows.
static bool areTilesOf(ShapedType tiles, int64_t rows, int64_t length) {
  auto parts = [](int64_t size, int64_t part) {
    return ShapedType::isDynamic(size) ? size
                                       : llvm::divideCeilSigned(size, part);
  };
  int64_t pieces = tiles.getDimSize(2);
  return tiles.getElementType().isBF16() && pieces >= 2 && pieces % 2 == 0 &&
         tiles.getDimSize(3) == 16 && tiles.getDimSize(4) == kTileStep &&
         agree(tiles.getDimSize(0), parts(rows, kTileGroupRows)) &&
         agree(tiles.getDimSize(1), parts(length, kTileStep));
}

LogicalResult PackRowsOp::verify() {
  ShapedType input = getInput().getType(), init = getInit().getType();
  if (input.getRank() != 2 || init.getRank() != 5 || input.isDynamicDim(1))
    return violates(*this, 1) << "input must have rank 2 and a static length, "
                                 "init rank 5, but they are "
                              << input << " and " << init;
  int64_t pieces = getNumPieces(input.getElementType());
  if (!pieces || !init.getElementType().isBF16())
    return violates(*this, 3) << "element types do not fit: input is " << input
                              << ", init " << init;
  if (!areTilesOf(init, input.getDimSize(0), input.getDimSize(1)) ||
      init.getDimSize(2) != 2 * pieces)
    return violates(*this, 2)
           << "shapes do not fit: input is " << input << ", init " << init;
  return success();
}

/// Whether the blocks of a quantised weight hold the rows that `input`, perhaps
/// in tiles, is multiplied with.
static bool areBlocksOf(ShapedType input, ShapedType weight,
                        QuantizationAttr form) {
  int64_t block = form.getBlock(), blocks = weight.getDimSize(1);
  bool isTiled = input.getRank() == 5;
  if (input.isDynamicDim(1))
    return !isTiled;
  int64_t most = input.getDimSize(1) * (isTiled ? kTileStep : 1);
  int64_t least = isTiled ? most - kTileStep + 1 : most;
  return llvm::divideCeilSigned(least, block) <= blocks &&
         blocks <= llvm::divideCeilSigned(most, block);
}

int64_t MatmulOp::getPanel() {
  int64_t size = getWeight().getType().getDimSize(2);
  if (ShapedType::isDynamic(size))
    return 0;
  QuantizationAttr form = getQuantizationAttr();
  if (!form)
    return size;
  return size % form.getColumnBytes() ? 0 : size / form.getColumnBytes();
}

int64_t MatmulOp::getNumWeightPieces() {
  if (QuantizationAttr form = getQuantizationAttr())
    return form.getRoundedRows() ? 1 : 3;
  return getNumPieces(getWeight().getType().getElementType());
}

LogicalResult MatmulOp::verify() {
  ShapedType input = getInput().getType(), weight = getWeight().getType(),
             init = getInit().getType();
  bool isTiled = input.getRank() == 5;
  if ((input.getRank() != 2 && !isTiled) || weight.getRank() != 3 ||
      init.getRank() != 2)
    return violates(*this, 1) << "input, weight and init must have rank 2 (or "
                                 "5), 3 and 2, but are "
                              << input << ", " << weight << " and " << init;
  int64_t panel = getPanel(), columns = init.getDimSize(1);
  bool isStatic = !ShapedType::isDynamic(columns);
  QuantizationAttr form = getQuantizationAttr();
  bool rowsFit =
      isTiled ? areTilesOf(input, init.getDimSize(0),
                           form ? ShapedType::kDynamic : weight.getDimSize(1))
              : agree(input.getDimSize(0), init.getDimSize(0)) &&
                    (form || agree(input.getDimSize(1), weight.getDimSize(1)));
  if (form)
    rowsFit &= !weight.isDynamicDim(1) && areBlocksOf(input, weight, form);
  if (panel < 1 || !rowsFit ||
      (isStatic &&
       !agree(weight.getDimSize(0), llvm::divideCeilSigned(columns, panel))))
    return violates(*this, 2) << "shapes do not fit: input is " << input
                              << ", weight " << weight << ", init " << init;
  if (form &&
      (!weight.getElementType().isInteger(8) || !init.getElementType().isF32()))
    return violates(*this, 4) << "a quantised weight must be of i8 and init of "
                                 "f32, but they are "
                              << weight << " and " << init;
  auto sum = dyn_cast<FloatType>(init.getElementType());
  if (isTiled && (!sum || !sum.isF32() || !getNumWeightPieces()))
    return violates(*this, 3)
           << "rows in tiles need an init of f32 and a weight of f32, f16 or "
              "bf16, but init is "
           << init << ", weight " << weight;
  SmallVector<ShapedType> factors = {input};
  if (!form)
    factors.push_back(weight);
  for (ShapedType factor : factors) {
    auto type = dyn_cast<FloatType>(factor.getElementType());
    if (!sum || !type || sum.getWidth() < 32 ||
        type.getWidth() > sum.getWidth())
      return violates(*this, 3)
             << "element types do not fit: input is " << input << ", weight "
             << weight << ", init " << init;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// RouteOp, ExpertMatMulOp
//===----------------------------------------------------------------------===//

LogicalResult RouteOp::verify() {
  Named logits("logits", getLogits()), experts("experts", getExperts()),
      weights("weights", getWeights());
  if (failed(verifyRank(*this, 1, {logits, experts, weights}, 2)))
    return failure();
  SmallVector<Named> floats = {logits, weights};
  int64_t rows = logits.dim(0), all = logits.dim(1), few = weights.dim(1);
  if (Value value = getBias()) {
    Named bias("bias", value);
    if (failed(verifyRank(*this, 1, {bias}, 1)) ||
        failed(verifyShape(*this, 2, bias, {all})))
      return failure();
    floats.push_back(bias);
  }
  if (failed(verifyShape(*this, 2, experts, {rows, few})) ||
      failed(verifyShape(*this, 2, weights, {rows, few})))
    return failure();
  if (ShapedType::isDynamic(few) || few < 1 ||
      (!ShapedType::isDynamic(all) && few > all))
    return violates(*this, 3) << "of " << text({all}) << " experts "
                              << text({few}) << " are chosen";
  if (!experts.type.getElementType().isInteger(64))
    return violates(*this, 4)
           << "experts must have element type i64, but is " << experts.type;
  if (failed(verifyFloat(*this, 4, floats)))
    return failure();
  double epsilon = getEpsilon().convertToDouble();
  if (!(epsilon >= 0) || (epsilon > 0 && getWeight() != RouteWeight::Share))
    return violates(*this, 5) << "epsilon is " << epsilon << ", for the weight "
                              << stringifyRouteWeight(getWeight());
  int64_t groups = getGroups(), best = getGroupBest();
  if (groups < 1 ||
      (groups > 1 && (ShapedType::isDynamic(all) || all % groups != 0)))
    return violates(*this, 6)
           << text({all}) << " experts cannot be in " << groups << " groups";
  if (getChosenGroups() < 1 || getChosenGroups() > groups)
    return violates(*this, 7) << "of " << groups << " groups "
                              << getChosenGroups() << " are chosen";
  if (best < 1 || (groups > 1 && best > all / groups))
    return violates(*this, 7)
           << "a group is worth the sum of its best " << best;
  return success();
}

LogicalResult ExpertMatMulOp::verify() {
  Named input("input", getInput()), weight("weight", getWeight()),
      experts("experts", getExperts()), init("init", getInit());
  if (failed(verifyRank(*this, 1, {input, init}, 2)) ||
      failed(verifyRank(*this, 1, {weight}, 3)))
    return failure();
  int64_t rows = init.dim(0), length = weight.dim(getInputDim());
  if (!agree(length, input.dim(1)))
    return violates(*this, 2)
           << "rows of input and of weight's matrices differ in length: "
           << input.dim(1) << " and " << length;
  if (failed(verifyShape(*this, 2, init, {rows, weight.dim(getOutputDim())})))
    return failure();
  if (!experts.type.getElementType().isInteger(64))
    return violates(*this, 3)
           << "experts must have element type i64, but is " << experts.type;
  if (failed(verifyShape(*this, 3, experts, {rows})))
    return failure();
  if (getChosen() < 1)
    return violates(*this, 4)
           << "chosen must be 1 or more, but is " << getChosen();
  if (!ShapedType::isDynamic(rows) && !ShapedType::isDynamic(input.dim(0)) &&
      (rows % getChosen() != 0 || rows / getChosen() != input.dim(0)))
    return violates(*this, 4)
           << "init has " << rows << " rows, but " << getChosen()
           << " experts of each of " << input.dim(0) << " input rows";
  return verifyFloat(*this, 5, {input, weight, init});
}

//===----------------------------------------------------------------------===//
// ParallelOp
//===----------------------------------------------------------------------===//

/// Checks C2 and C3 for one branch; adds its last dimension to `lastSize`.
static LogicalResult verifyBranch(ParallelOp op, Region &branch,
                                  int64_t &lastSize) {
  Block &block = branch.front();
  if (block.getNumArguments() != 0)
    return violates(op, 2) << "a branch takes no arguments";
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield || yield.getNumOperands() == 0)
    return violates(op, 2) << "a branch must yield at least one value";
  auto type = dyn_cast<RankedTensorType>(yield.getOperand(0).getType());
  if (!type || !isa<FloatType>(type.getElementType()))
    return violates(op, 2)
           << "a branch must yield a ranked float tensor, but yields "
           << yield.getOperand(0).getType();

  auto result = cast<RankedTensorType>(op.getResult().getType());
  bool isConcat = op.getCombine() == Combine::Concat;
  SmallVector<int64_t> shape(result.getShape());
  if (isConcat && !shape.empty())
    shape.back() = ShapedType::kDynamic;
  if (type.getElementType() != result.getElementType() ||
      type.getRank() != result.getRank() || (isConcat && shape.empty()) ||
      !hasShape(type, shape))
    return violates(op, 3) << "a branch of type " << type
                           << " does not fit the result " << result;
  if (!isConcat)
    return success();
  int64_t size = type.getShape().back();
  lastSize = ShapedType::isDynamic(lastSize) || ShapedType::isDynamic(size)
                 ? ShapedType::kDynamic
                 : lastSize + size;
  return success();
}

LogicalResult ParallelOp::verify() {
  if (getBranches().size() < 2)
    return violates(*this, 1)
           << "needs at least two branches, but has " << getBranches().size();
  int64_t lastSize = 0;
  for (Region &branch : getBranches())
    if (failed(verifyBranch(*this, branch, lastSize)))
      return failure();
  auto result = cast<RankedTensorType>(getResult().getType());
  if (getCombine() == Combine::Concat &&
      !agree(lastSize, result.getShape().back()))
    return violates(*this, 3)
           << "the last dimensions of the branches add up to " << lastSize
           << ", but the result is " << result;
  SmallVector<Type> others;
  for (Region &branch : getBranches())
    llvm::append_range(
        others,
        branch.front().getTerminator()->getOperands().drop_front().getTypes());
  if (TypeRange(others) != getOthers().getTypes())
    return violates(*this, 5)
           << "the branches yield " << others.size()
           << " other values, of types (" << others << "), but there are "
           << getOthers().size() << " other results, of types ("
           << getOthers().getTypes() << ")";

  size_t expected =
      getCombine() == Combine::Weighted ? getBranches().size() : 0;
  if (getWeights().size() != expected)
    return violates(*this, 4)
           << "combine " << stringifyCombine(getCombine()) << " takes "
           << expected << " weights, but has " << getWeights().size();
  for (Value weight : getWeights()) {
    auto type = cast<RankedTensorType>(weight.getType());
    if (!isa<FloatType>(type.getElementType()) || type.getRank() > 1 ||
        !broadcastsTo(type, result.getShape()))
      return violates(*this, 4) << "a weight must be a float tensor of rank 0 "
                                   "or 1 that broadcasts "
                                   "to "
                                << result << ", but is " << type;
  }
  return success();
}
