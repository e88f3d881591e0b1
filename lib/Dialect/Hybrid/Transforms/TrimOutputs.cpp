//===- TrimOutputs.cpp - hybrid-trim-outputs ------------------------------===//
//
// An entry is one straight line, so one walk from its end to its start finds
// what may be trimmed: an operation all of whose uses want trimmed rows and
// that works row by row passes the wish on to its operands. A second walk, in
// order, writes the trimmed copies; values where the wish ends are sliced.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/Hybrid/Transforms/Passes.h"
#include "hybrid/Dialect/Hybrid/Transforms/Sizes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/TypeSwitch.h"

namespace hybrid {
#define GEN_PASS_DEF_TRIMOUTPUTSPASS
#include "dialects/Hybrid/HybridPasses.h.inc"
} // namespace hybrid

using namespace mlir;
using namespace hybrid;

namespace {

/// Where the positions of the call stand in a tensor.
struct Rows {
  int64_t axis;
  /// Dimension `axis` is batch × positions, not positions alone.
  bool merged;

  bool operator==(const Rows &other) const {
    return axis == other.axis && merged == other.merged;
  }
};

constexpr llvm::StringLiteral kDimsAttr = "hybrid.dims";

/// The names of the symbols that matter.
struct Names {
  StringAttr seq, from;
};

/// Trims the outputs of one entry.
class EntryTrimmer {
public:
  EntryTrimmer(func::FuncOp entry, const Names &names)
      : entry(entry), names(names), builder(entry.getContext()),
        rewriter(entry.getContext()),
        ret(cast<func::ReturnOp>(entry.getBody().front().getTerminator())) {}

  /// Decides; true if an output can be trimmed.
  bool plan();
  /// Does what plan() found.
  void apply();

  SmallVector<unsigned> outputs;
  /// Those that get fewer rows, in reverse order.
  SmallVector<Operation *> operations;
  unsigned numContractions = 0;

private:
  //===--- What can be trimmed --------------------------------------------===//

  ArrayAttr getDims(unsigned output) {
    return entry.getResultAttrOfType<ArrayAttr>(output, kDimsAttr);
  }
  bool isWantedShape(unsigned output);
  void findRows();
  bool wants(Operation *op, Rows rows);
  bool want(OpOperand &operand, Rows rows);
  bool wantOperands(tensor::CastOp op, Rows rows);
  bool wantOperands(tensor::ExpandShapeOp op, Rows rows);
  bool wantOperands(tensor::CollapseShapeOp op, Rows rows);
  bool wantOperands(tensor::ExtractSliceOp op, Rows rows);
  bool wantOperands(linalg::LinalgOp op, Rows rows);
  bool wantOperands(NormOp op, Rows rows);
  bool wantOperands(GatedNormOp op, Rows rows);
  bool wantDestination(OpOperand &operand, Rows rows);
  bool isRowContraction(Operation *op);
  bool reachesContraction(Value value,
                          const llvm::DenseSet<Operation *> &planned);
  void reportWhole(unsigned output);
  static remark::RemarkOpts getRemark(StringRef name) {
    return remark::RemarkOpts::name(name).category("hybrid-trim-outputs");
  }
  /// "output 'logits'".
  std::string getText(unsigned output) {
    auto name = entry.getResultAttrOfType<StringAttr>(output, "hybrid.name");
    return ("output '" + (name ? name.getValue() : "") + "'").str();
  }

  //===--- Sizes ----------------------------------------------------------===//

  /// The text or number that the entry's signature has for a dimension.
  Attribute describedSize(Value value, int64_t dim);
  bool isSize(Value value, int64_t dim, Attribute wanted);
  bool isSize(OpFoldResult size, Attribute wanted);
  /// Whether a slice of `value` can be made without tensor.dim.
  bool hasKnownSizes(Value value, Rows rows);
  bool isKnown(Attribute size);
  OpFoldResult makeSize(Attribute size);
  OpFoldResult sizeOf(Value value, int64_t dim);
  OpFoldResult matchType(Location loc, RankedTensorType type, int64_t dim,
                         OpFoldResult size);
  OpFoldResult rowsOf(Rows rows) { return rows.merged ? allRows : seqRows; }

  //===--- The trimmed copies ---------------------------------------------===//

  Value trim(Operation *op, Rows rows);
  Value get(Value value);
  Value slice(Value value, Rows rows);
  Value sliceOfPositions(Location loc, Value value, int64_t axis,
                         SmallVector<OpFoldResult> sizes);
  Value destination(Value value, Rows rows);

  func::FuncOp entry;
  const Names &names;
  Builder builder;
  IRRewriter rewriter;
  func::ReturnOp ret;
  /// The batch of every trimmed output: a symbol's name or a number.
  Attribute batch;
  llvm::DenseMap<Value, Rows> rowsOfValue;
  llvm::DenseSet<OpOperand *> wanted;
  /// What the operation at hand wants.
  SmallVector<std::pair<OpOperand *, Rows>> wishes;
  /// Why the way up ends at a value.
  llvm::DenseMap<Value, const char *> reasons;
  llvm::DenseMap<Value, Value> trimmed;
  /// First position, positions from there on, and those times the batch.
  OpFoldResult first, seqRows, allRows, allPositions, batchSize;
};

} // namespace

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

Attribute EntryTrimmer::describedSize(Value value, int64_t dim) {
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument || argument.getOwner() != &entry.getBody().front())
    return {};
  auto dims =
      entry.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), kDimsAttr);
  if (!dims || dim >= int64_t(dims.size()))
    return {};
  return dims[dim];
}

bool EntryTrimmer::isSize(OpFoldResult size, Attribute wanted) {
  if (auto number = dyn_cast<IntegerAttr>(wanted))
    return getConstantIntValue(size) == number.getInt();
  auto value = dyn_cast<Value>(size);
  auto dim = value ? value.getDefiningOp<DimOp>() : DimOp();
  return dim && dim.getNameAttr() == wanted;
}

bool EntryTrimmer::isSize(Value value, int64_t dim, Attribute wanted) {
  if (std::optional<OpFoldResult> size = findSize(value, dim))
    return isSize(*size, wanted);
  return describedSize(value, dim) == wanted;
}

/// A symbol or number; not an expression.
bool EntryTrimmer::isKnown(Attribute size) {
  return size && (isa<IntegerAttr>(size) || size == names.seq || size == batch);
}

bool EntryTrimmer::hasKnownSizes(Value value, Rows rows) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  for (int64_t dim = 0; dim < rank; ++dim)
    if (dim != rows.axis && !findSize(value, dim) &&
        !isKnown(describedSize(value, dim)))
      return false;
  return true;
}

OpFoldResult EntryTrimmer::makeSize(Attribute size) {
  if (auto number = dyn_cast<IntegerAttr>(size))
    return builder.getIndexAttr(number.getInt());
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointToStart(&entry.getBody().front());
  return DimOp::create(rewriter, entry.getLoc(), cast<StringAttr>(size))
      .getResult();
}

OpFoldResult EntryTrimmer::sizeOf(Value value, int64_t dim) {
  if (std::optional<OpFoldResult> size = findSize(value, dim))
    return *size;
  return makeSize(describedSize(value, dim));
}

//===----------------------------------------------------------------------===//
// What can be trimmed
//===----------------------------------------------------------------------===//

/// [batch, seq, …], where batch is a symbol or a number.
bool EntryTrimmer::isWantedShape(unsigned output) {
  auto type = dyn_cast<RankedTensorType>(ret.getOperand(output).getType());
  ArrayAttr dims = getDims(output);
  if (!type || !dims || dims.size() < 3 || dims[1] != names.seq ||
      !type.isDynamicDim(1) || int64_t(dims.size()) != type.getRank())
    return false;
  return isa<IntegerAttr>(dims[0]) ||
         isSize(ret.getOperand(output), 0, dims[0]);
}

/// Asks for the rows of `operand`; false if they cannot be told apart there.
bool EntryTrimmer::want(OpOperand &operand, Rows rows) {
  Value value = operand.get();
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || rows.axis >= type.getRank() || !type.isDynamicDim(rows.axis) ||
      !hasKnownSizes(value, rows))
    return false;
  auto known = rowsOfValue.find(value);
  if (known != rowsOfValue.end() && !(known->second == rows))
    return false;
  wishes.emplace_back(&operand, rows);
  return true;
}

bool EntryTrimmer::wantOperands(tensor::CastOp op, Rows rows) {
  return want(op.getSourceMutable(), rows);
}

/// The dimensions in `group` of `type` that are not 1.
static SmallVector<int64_t> dropUnits(RankedTensorType type,
                                      ArrayRef<int64_t> group) {
  return llvm::to_vector(llvm::make_filter_range(
      group, [&](int64_t dim) { return type.getDimSize(dim) != 1; }));
}

bool EntryTrimmer::wantOperands(tensor::ExpandShapeOp op, Rows rows) {
  for (auto [axis, group] : llvm::enumerate(op.getReassociationIndices())) {
    if (!llvm::is_contained(group, rows.axis))
      continue;
    SmallVector<int64_t> dims = dropUnits(op.getResultType(), group);
    if (dims.size() == 1)
      return want(op.getSrcMutable(), {int64_t(axis), rows.merged});
    return !rows.merged && dims.size() == 2 && dims[1] == rows.axis &&
           isSize(op.getResult(), dims[0], batch) &&
           want(op.getSrcMutable(), {int64_t(axis), /*merged=*/true});
  }
  return false;
}

bool EntryTrimmer::wantOperands(tensor::CollapseShapeOp op, Rows rows) {
  SmallVector<int64_t> dims =
      dropUnits(op.getSrcType(), op.getReassociationIndices()[rows.axis]);
  if (dims.size() == 1)
    return want(op.getSrcMutable(), {dims[0], rows.merged});
  return rows.merged && dims.size() == 2 &&
         isSize(op.getSrc(), dims[0], batch) &&
         isSize(op.getSrc(), dims[1], names.seq) &&
         want(op.getSrcMutable(), {dims[1], /*merged=*/false});
}

/// A slice along other dimensions.
bool EntryTrimmer::wantOperands(tensor::ExtractSliceOp op, Rows rows) {
  if (op.getSourceType().getRank() != op.getType().getRank())
    return false;
  std::optional<OpFoldResult> whole = findSize(op.getSource(), rows.axis);
  return whole && *whole == op.getMixedSizes()[rows.axis] &&
         isConstantIntValue(op.getMixedOffsets()[rows.axis], 0) &&
         isConstantIntValue(op.getMixedStrides()[rows.axis], 1) &&
         want(op.getSourceMutable(), rows);
}

/// A destination that is only a place is made anew with fewer rows.
bool EntryTrimmer::wantDestination(OpOperand &operand, Rows rows) {
  Value value = operand.get();
  if (auto fill = value.getDefiningOp<linalg::FillOp>())
    value = fill.getOutputs()[0];
  return value.getDefiningOp<tensor::EmptyOp>() || want(operand, rows);
}

bool EntryTrimmer::wantOperands(linalg::LinalgOp op, Rows rows) {
  if (!op.hasPureTensorSemantics())
    return false;
  OpOperand &init = *op.getDpsInitOperand(0);
  auto loop = dyn_cast<AffineDimExpr>(
      op.getMatchingIndexingMap(&init).getResult(rows.axis));
  if (!loop)
    return false;
  // What an element's position changes is not the same in a slice.
  bool usesPosition = false;
  op.walk([&](linalg::IndexOp index) {
    usesPosition |= index.getDim() == loop.getPosition();
  });
  if (usesPosition)
    return false;
  for (OpOperand *input : op.getDpsInputOperands()) {
    AffineMap map = op.getMatchingIndexingMap(input);
    if (!map.isFunctionOfDim(loop.getPosition()))
      continue;
    auto axis = map.getResultPosition(loop);
    if (!axis || !map.isProjectedPermutation() ||
        !want(*input, {int64_t(*axis), rows.merged}))
      return false;
  }
  return wantDestination(init, rows);
}

bool EntryTrimmer::wantOperands(NormOp op, Rows rows) {
  // Scale and bias must not reach the rows, from the right.
  int64_t rank = cast<ShapedType>(op.getInput().getType()).getRank();
  for (Value value : {op.getScale(), op.getBias()})
    if (value &&
        cast<ShapedType>(value.getType()).getRank() >= rank - rows.axis)
      return false;
  return rows.axis < op.getAxis() && want(op.getInputMutable(), rows) &&
         wantDestination(op.getInitMutable(), rows);
}

bool EntryTrimmer::wantOperands(GatedNormOp op, Rows rows) {
  int64_t rank = cast<ShapedType>(op.getInput().getType()).getRank();
  return rows.axis < rank - 1 && want(op.getInputMutable(), rows) &&
         want(op.getGateMutable(), rows) &&
         wantDestination(op.getInitMutable(), rows);
}

/// Passes the wish for `rows` of `op`'s result on to its operands.
bool EntryTrimmer::wants(Operation *op, Rows rows) {
  wishes.clear();
  bool passes =
      op->getNumResults() == 1 &&
      llvm::TypeSwitch<Operation *, bool>(op)
          .Case<tensor::CastOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp,
                tensor::ExtractSliceOp, NormOp, GatedNormOp, linalg::LinalgOp>(
              [&](auto op) { return wantOperands(op, rows); })
          .Default([](Operation *) { return false; });
  if (!passes)
    return false;
  // One value may be two operands.
  for (auto [operand, wish] : wishes)
    for (auto [other, otherWish] : wishes)
      if (operand->get() == other->get() && !(wish == otherWish))
        return false;
  for (auto [operand, wish] : wishes) {
    rowsOfValue.try_emplace(operand->get(), wish);
    wanted.insert(operand);
  }
  return true;
}

/// Fills rowsOfValue, wanted and operations for `outputs`.
void EntryTrimmer::findRows() {
  rowsOfValue.clear();
  wanted.clear();
  reasons.clear();
  operations.clear();
  for (unsigned output : outputs) {
    rowsOfValue.try_emplace(ret.getOperand(output), Rows{1, false});
    wanted.insert(&ret->getOpOperand(output));
  }
  for (Operation &op : llvm::reverse(entry.getBody().front())) {
    if (op.getNumResults() == 0)
      continue;
    Value result = op.getResult(0);
    auto rows = rowsOfValue.find(result);
    if (rows == rowsOfValue.end())
      continue;
    bool isNeededWhole = llvm::any_of(result.getUses(), [&](OpOperand &use) {
      return !wanted.contains(&use);
    });
    if (isNeededWhole)
      reasons[result] = "is needed whole elsewhere";
    else if (wants(&op, Rows(rows->second)))
      operations.push_back(&op);
    else
      reasons[result] = "does not work position by position";
  }
}

/// A contraction of rows with what is the same for all of them.
bool EntryTrimmer::isRowContraction(Operation *op) {
  auto contraction = dyn_cast<linalg::LinalgOp>(op);
  if (!contraction || contraction.getNumReductionLoops() == 0 ||
      contraction.getNumDpsInputs() != 2)
    return false;
  return llvm::count_if(
             contraction.getDpsInputOperands(),
             [&](OpOperand *input) { return wanted.contains(input); }) == 1;
}

/// Whether a contraction on the way to `value` has fewer rows.
bool EntryTrimmer::reachesContraction(
    Value value, const llvm::DenseSet<Operation *> &planned) {
  SmallVector<Value> worklist = {value};
  llvm::DenseSet<Value> seen;
  while (!worklist.empty()) {
    Value next = worklist.pop_back_val();
    Operation *op = next.getDefiningOp();
    if (!seen.insert(next).second || !planned.contains(op))
      continue;
    if (isRowContraction(op))
      return true;
    for (OpOperand &operand : op->getOpOperands())
      if (wanted.contains(&operand))
        worklist.push_back(operand.get());
  }
  return false;
}

/// Where the way up from `output` ended first.
void EntryTrimmer::reportWhole(unsigned output) {
  std::string why = "no contraction with a weight has fewer rows";
  Value value = ret.getOperand(output);
  while (Operation *op = value.getDefiningOp()) {
    auto reason = reasons.find(value);
    if (reason != reasons.end()) {
      why = (op->getName().getStringRef() + " " + reason->second).str();
      break;
    }
    auto operand = llvm::find_if(op->getOpOperands(), [&](OpOperand &operand) {
      return wanted.contains(&operand);
    });
    if (operand == op->getOpOperands().end())
      break;
    value = operand->get();
  }
  remark::missed(value.getLoc(), getRemark("whole"))
      << getText(output) + " keeps all its positions: " + why;
}

bool EntryTrimmer::plan() {
  SmallVector<unsigned> candidates;
  for (unsigned i = 0; i < ret.getNumOperands(); ++i)
    if (isWantedShape(i) && (!batch || batch == getDims(i)[0])) {
      batch = getDims(i)[0];
      candidates.push_back(i);
    }
  outputs = candidates;
  // Without one output, a value may be needed whole for another.
  for (bool isStable = false; !isStable && !outputs.empty();) {
    findRows();
    llvm::DenseSet<Operation *> planned(operations.begin(), operations.end());
    SmallVector<unsigned> kept;
    for (unsigned output : outputs)
      if (reachesContraction(ret.getOperand(output), planned))
        kept.push_back(output);
      else
        reportWhole(output);
    isStable = kept.size() == outputs.size();
    outputs = std::move(kept);
  }
  return !outputs.empty();
}

//===----------------------------------------------------------------------===//
// The trimmed copies
//===----------------------------------------------------------------------===//

/// The positions from the first wanted one on along `axis`.
Value EntryTrimmer::sliceOfPositions(Location loc, Value value, int64_t axis,
                                     SmallVector<OpFoldResult> sizes) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), builder.getIndexAttr(0)),
      strides(type.getRank(), builder.getIndexAttr(1));
  offsets[axis] = first;
  sizes[axis] = seqRows;
  return tensor::ExtractSliceOp::create(rewriter, loc, type, value, offsets,
                                        sizes, strides);
}

/// A dynamic size as a value, also where more is known than the type says.
OpFoldResult EntryTrimmer::matchType(Location loc, RankedTensorType type,
                                     int64_t dim, OpFoldResult size) {
  if (!type.isDynamicDim(dim))
    return builder.getIndexAttr(type.getDimSize(dim));
  return getValueOrCreateConstantIndexOp(rewriter, loc, size);
}

/// The wanted rows of a value that stays whole.
Value EntryTrimmer::slice(Value value, Rows rows) {
  Location loc = value.getLoc();
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<OpFoldResult> sizes;
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    sizes.push_back(dim == rows.axis
                        ? rowsOf(rows)
                        : matchType(loc, type, dim, sizeOf(value, dim)));
  if (!rows.merged)
    return sliceOfPositions(loc, value, rows.axis, std::move(sizes));
  // Batch and positions apart, sliced, and merged again.
  SmallVector<int64_t> shape(type.getShape());
  shape.insert(shape.begin() + rows.axis,
               getConstantIntValue(batchSize).value_or(ShapedType::kDynamic));
  auto apart = RankedTensorType::get(shape, type.getElementType());
  sizes.insert(sizes.begin() + rows.axis, batchSize);
  SmallVector<ReassociationIndices> groups;
  for (int64_t dim = 0, next = 0; dim < type.getRank(); ++dim) {
    groups.emplace_back(1, next++);
    if (dim == rows.axis)
      groups.back().push_back(next++);
  }
  sizes[rows.axis + 1] = allPositions;
  Value expanded =
      tensor::ExpandShapeOp::create(rewriter, loc, apart, value, groups, sizes);
  Value cut = sliceOfPositions(loc, expanded, rows.axis + 1, std::move(sizes));
  return tensor::CollapseShapeOp::create(rewriter, loc, type, cut, groups);
}

/// What stands for `value`, which is wanted trimmed.
Value EntryTrimmer::get(Value value) {
  Value &found = trimmed[value];
  if (!found)
    found = slice(value, rowsOfValue.at(value));
  return found;
}

/// A place with fewer rows.
Value EntryTrimmer::destination(Value value, Rows rows) {
  if (auto fill = value.getDefiningOp<linalg::FillOp>())
    return linalg::FillOp::create(rewriter, fill.getLoc(), fill.getInputs()[0],
                                  destination(fill.getOutputs()[0], rows))
        .getResult(0);
  auto empty = value.getDefiningOp<tensor::EmptyOp>();
  SmallVector<OpFoldResult> sizes = empty.getMixedSizes();
  sizes[rows.axis] = rowsOf(rows);
  return tensor::EmptyOp::create(rewriter, empty.getLoc(), sizes,
                                 empty.getType().getElementType());
}

Value EntryTrimmer::trim(Operation *op, Rows rows) {
  Location loc = op->getLoc();
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    SmallVector<OpFoldResult> shape = expand.getMixedOutputShape();
    shape[rows.axis] = rowsOf(rows);
    return tensor::ExpandShapeOp::create(
        rewriter, loc, expand.getResultType(), get(expand.getSrc()),
        expand.getReassociationIndices(), shape);
  }
  if (auto extract = dyn_cast<tensor::ExtractSliceOp>(op)) {
    SmallVector<OpFoldResult> sizes = extract.getMixedSizes();
    sizes[rows.axis] = rowsOf(rows);
    return tensor::ExtractSliceOp::create(
        rewriter, loc, extract.getType(), get(extract.getSource()),
        extract.getMixedOffsets(), sizes, extract.getMixedStrides());
  }
  SmallVector<Value> operands;
  for (OpOperand &operand : op->getOpOperands()) {
    auto destinations = dyn_cast<DestinationStyleOpInterface>(op);
    if (wanted.contains(&operand))
      operands.push_back(get(operand.get()));
    else if (destinations && destinations.isDpsInit(&operand))
      operands.push_back(destination(operand.get(), rows));
    else
      operands.push_back(operand.get());
  }
  Operation *copy = rewriter.clone(*op);
  copy->setOperands(operands);
  return copy->getResult(0);
}

void EntryTrimmer::apply() {
  Location loc = entry.getLoc();
  rewriter.setInsertionPointToStart(&entry.getBody().front());
  // makeSize() puts symbols in front of what is computed from them.
  auto symbol = [&](Attribute name) { return makeSize(name); };
  first = symbol(names.from);
  allPositions = symbol(names.seq);
  batchSize = symbol(batch);
  rewriter.setInsertionPointAfterValue(cast<Value>(first));
  AffineExpr s0 = builder.getAffineSymbolExpr(0),
             s1 = builder.getAffineSymbolExpr(1);
  seqRows = affine::makeComposedFoldedAffineApply(rewriter, loc, s0 - s1,
                                                  {allPositions, first});
  allRows = affine::makeComposedFoldedAffineApply(rewriter, loc, s0 * s1,
                                                  {batchSize, seqRows});
  for (Operation *op : llvm::reverse(operations)) {
    rewriter.setInsertionPoint(op);
    Value result = op->getResult(0);
    trimmed[result] = trim(op, rowsOfValue.at(result));
    numContractions += isRowContraction(op);
  }
  for (unsigned output : outputs) {
    ret.setOperand(output, trimmed.at(ret.getOperand(output)));
    SmallVector<Attribute> dims(getDims(output).getValue());
    dims[1] = builder.getStringAttr(names.seq.getValue() + " - " +
                                    names.from.getValue());
    entry.setResultAttr(output, kDimsAttr, builder.getArrayAttr(dims));
    remark::passed(loc, getRemark("trimmed"))
        << getText(output) + " starts at a position that the call chooses"
        << remark::metric("operations", operations.size())
        << remark::metric("contractions", numContractions);
  }
  // What only served the old results goes too.
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(entry.getBody().front())))
    if (isOpTriviallyDead(&op))
      rewriter.eraseOp(&op);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// A name that no symbol has.
static StringAttr makeName(ArrayAttr symbols, StringRef wanted) {
  std::string name = wanted.str();
  while (llvm::any_of(symbols, [&](Attribute symbol) {
    return cast<DictionaryAttr>(symbol).getAs<StringAttr>("name") == name;
  }))
    name += "_";
  return StringAttr::get(symbols.getContext(), name);
}

namespace {
struct TrimOutputsPass : hybrid::impl::TrimOutputsPassBase<TrimOutputsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    DictionaryAttr seq = findSymbol(module, "seq");
    // With a symbol of role from, this pass has run before.
    if (!seq || findSymbol(module, "from"))
      return;
    auto symbols = module->getAttrOfType<ArrayAttr>(kSymbolsAttr);
    Names names{seq.getAs<StringAttr>("name"), makeName(symbols, "from")};
    bool isTrimmed = false;
    for (auto entry : module.getOps<func::FuncOp>())
      if (entry->hasAttr(kEntryAttr))
        isTrimmed |= trim(entry, names);
    if (!isTrimmed)
      return;
    Builder b(&getContext());
    SmallVector<Attribute> all(symbols.getValue());
    all.push_back(
        b.getDictionaryAttr({b.getNamedAttr("name", names.from),
                             b.getNamedAttr("role", b.getStringAttr("from")),
                             b.getNamedAttr("capacity", seq.get("capacity"))}));
    module->setAttr(kSymbolsAttr, b.getArrayAttr(all));
  }

  bool trim(func::FuncOp entry, const Names &names) {
    EntryTrimmer trimmer(entry, names);
    if (!trimmer.plan())
      return false;
    numOperations += trimmer.operations.size();
    numOutputs += trimmer.outputs.size();
    trimmer.apply();
    numContractions += trimmer.numContractions;
    return true;
  }
};
} // namespace
