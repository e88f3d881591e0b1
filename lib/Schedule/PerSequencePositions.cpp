//===- PerSequencePositions.cpp - a position for each sequence ------------===//
//
// Two halves: first all entries are searched for uses of the call's one past
// that have no form per sequence; only where there are none is anything
// rewritten, so that all entries keep the same inputs.
//
//===----------------------------------------------------------------------===//

#include "SequenceLengths.h"
#include "hybrid/Dialect/Hybrid/Transforms/Sizes.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_PERSEQUENCEPOSITIONSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

constexpr llvm::StringLiteral kDims = "hybrid.dims", kName = "hybrid.name",
                              kRole = "hybrid.role";

/// Whether `dim`, an expression over symbols, names `symbol`.
bool mentions(Attribute dim, StringRef symbol) {
  auto text = dyn_cast<StringAttr>(dim);
  if (!text)
    return false;
  StringRef rest = text.getValue();
  auto isPart = [](char c) { return llvm::isAlnum(c) || c == '_' || c == '.'; };
  while (!rest.empty()) {
    StringRef word = rest.take_while(isPart);
    if (word == symbol)
      return true;
    rest = rest.drop_front(std::max<size_t>(word.size(), 1));
  }
  return false;
}

/// An index that is an expression over other indices.
struct Size {
  AffineMap map;
  SmallVector<Value> operands;

  OpFoldResult create(OpBuilder &b, Location loc) const {
    return affine::makeComposedFoldedAffineApply(b, loc, map,
                                                 getAsOpFoldResult(operands));
  }
};

/// An attention over the whole cache of each sequence.
struct Attention {
  AttentionOp op;
  /// kv_length and q_offset without past, and the number of queries.
  Size keys, offset;
  OpFoldResult queries;
};

/// Searches one entry for what its past is used for, and rewrites it.
class Entry {
public:
  Entry(func::FuncOp func, StringRef batch, StringRef past)
      : func(func), batch(batch), past(past) {}

  /// Fails at the first use that all sequences have to share, with a remark.
  LogicalResult search();
  void rewrite(StringRef name);

private:
  LogicalResult refuse(Location loc, const Twine &reason);
  LogicalResult searchArgument(unsigned number);
  LogicalResult searchUse(OpOperand &use);
  LogicalResult searchAttention(AttentionOp op);
  bool isColumnSum(OpOperand &use, unsigned column);
  void searchKeyMask(Value mask);
  std::optional<Size> getBehindPast(Value index);

  func::FuncOp func;
  StringRef batch, past;
  llvm::SetVector<Value> indices; ///< that depend on past
  SmallVector<CacheAppendOp> appends;
  SmallVector<Attention> attentions;
  llvm::SetVector<Operation *> attentionOps;
  /// What makes masks of keys of an attention_mask, and their destinations.
  llvm::SmallPtrSet<Operation *, 8> keyMaskOps;
};

LogicalResult Entry::refuse(Location loc, const Twine &reason) {
  remark::missed(loc, remark::RemarkOpts::name("positions")
                          .category("hybrid-per-sequence-positions"))
      << ("the sequences of a call share one position: " + reason).str();
  return failure();
}

LogicalResult Entry::search() {
  func.walk([&](AttentionOp op) {
    if (op.getMask())
      searchKeyMask(op.getMask());
  });
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    if (failed(searchArgument(i)))
      return failure();
  func.walk([&](DimOp op) {
    if (op.getName() == past)
      indices.insert(op);
  });
  // The set grows on the way.
  for (size_t i = 0; i < indices.size(); ++i)
    for (OpOperand &use : indices[i].getUses())
      if (failed(searchUse(use)))
        return failure();
  for (Operation *op : attentionOps)
    if (failed(searchAttention(cast<AttentionOp>(op))))
      return failure();
  return success();
}

LogicalResult Entry::searchArgument(unsigned number) {
  BlockArgument argument = func.getArgument(number);
  if (argument.use_empty())
    return success();
  auto dims = func.getArgAttrOfType<ArrayAttr>(number, kDims);
  auto role = func.getArgAttrOfType<StringAttr>(number, kRole);
  auto name = func.getArgAttrOfType<StringAttr>(number, kName);
  if (!dims || !role || !name)
    return success();
  Location loc = argument.getLoc();
  auto isBatch = [&](Attribute dim) {
    auto text = dyn_cast<StringAttr>(dim);
    return text && text.getValue() == batch;
  };
  // The runtime gives each row the positions of its sequence.
  if (role.getValue() == "position_ids" &&
      llvm::none_of(dims.getValue().drop_back(), isBatch))
    return refuse(loc, "input '" + name.getValue() +
                           "' has no row for each sequence");
  auto column =
      llvm::find_if(dims, [&](Attribute dim) { return mentions(dim, past); });
  if (column == dims.end())
    return success();
  for (OpOperand &use : argument.getUses())
    if (role.getValue() != "attention_mask" || !isBatch(dims[0]) ||
        !(isColumnSum(use, column - dims.begin()) ||
          keyMaskOps.contains(use.getOwner())))
      return refuse(use.getOwner()->getLoc(),
                    "'" + use.getOwner()->getName().getStringRef() +
                        "' uses input '" + name.getValue() +
                        "', which is as long as the longest sequence");
  return success();
}

/// Whether `use` only adds up the columns of a mask: those behind a sequence's
/// own are zeros, and change nothing.
bool Entry::isColumnSum(OpOperand &use, unsigned column) {
  auto sum = dyn_cast<linalg::GenericOp>(use.getOwner());
  if (!sum || sum.getNumDpsInputs() != 1 || sum.getNumDpsInits() != 1 ||
      sum.isDpsInit(&use) || !sum.getMatchingIndexingMap(&use).isIdentity())
    return false;
  if (sum.getIteratorTypesArray()[column] != utils::IteratorType::reduction)
    return false;
  Block &body = *sum.getBody();
  auto add = dyn_cast<arith::AddIOp>(body.front());
  return add && llvm::hasNItems(body, 2) &&
         body.getTerminator()->getOperand(0) == add.getResult() &&
         llvm::is_contained(add->getOperands(), body.getArgument(0)) &&
         llvm::is_contained(add->getOperands(), body.getArgument(1));
}

/// A mask [batch, 1, 1, keys] that is made of an attention_mask, element by
/// element: column j is about the key at position j of each sequence, and those
/// behind a sequence's own are not visible anyway.
void Entry::searchKeyMask(Value mask) {
  auto body = mask.getDefiningOp<linalg::GenericOp>();
  auto type = cast<ShapedType>(mask.getType());
  bool isPerKey = body && type.getRank() == 4 && type.getDimSize(1) == 1 &&
                  type.getDimSize(2) == 1 && body.getNumReductionLoops() == 0 &&
                  body->getNumResults() == 1 && body.getNumDpsInputs() == 1 &&
                  body.getBody()->getOps<linalg::IndexOp>().empty();
  auto isMask = [](OpOperand &use) {
    auto attention = dyn_cast<AttentionOp>(use.getOwner());
    return attention &&
           llvm::is_contained(
               llvm::make_pointer_range(attention.getMaskMutable()), &use);
  };
  if (!isPerKey || !llvm::all_of(mask.getUses(), isMask))
    return;
  Value input = body.getDpsInputs()[0], init = body.getDpsInits()[0];
  auto slice = input.getDefiningOp<tensor::ExtractSliceOp>();
  if (slice && slice.hasZeroOffset() && slice.hasUnitStride())
    input = slice.getSource();
  auto argument = dyn_cast<BlockArgument>(input);
  auto maps = body.getIndexingMapsArray();
  if (!argument || argument.getOwner() != &func.getBody().front() ||
      !maps.back().isIdentity() || maps[0].getNumResults() != 2 ||
      maps[0].getResult(1) != getAffineDimExpr(3, func.getContext()))
    return;
  keyMaskOps.insert(body);
  if (slice)
    keyMaskOps.insert(slice);
  if (init.getDefiningOp<tensor::EmptyOp>() && init.hasOneUse())
    keyMaskOps.insert(init.getDefiningOp());
}

LogicalResult Entry::searchUse(OpOperand &use) {
  Operation *op = use.getOwner();
  if (keyMaskOps.contains(op))
    return success();
  if (isa<affine::AffineApplyOp>(op)) {
    indices.insert(op->getResult(0));
    return success();
  }
  if (isa<AttentionOp>(op)) {
    attentionOps.insert(op);
    return success();
  }
  auto append = dyn_cast<CacheAppendOp>(op);
  if (append && !append.getPositions()) {
    std::optional<Size> behind = getBehindPast(append.getPosition());
    if (behind && behind->map.isSingleConstant() &&
        behind->map.getSingleConstantResult() == 0) {
      appends.push_back(append);
      return success();
    }
  }
  Operation *user = func.getBody().front().findAncestorOpInBlock(*op);
  return refuse(user->getLoc(), "'" + user->getName().getStringRef() +
                                    "' depends on how long the longest is");
}

LogicalResult Entry::searchAttention(AttentionOp op) {
  Location loc = op.getLoc();
  bool isOfKeys =
      op.getMask() && keyMaskOps.contains(op.getMask().getDefiningOp());
  if ((op.getMask() && !isOfKeys) || op.getEmptyIsMean())
    return refuse(loc, "the mask of 'hybrid.attention' has a column for each "
                       "position of the longest");
  // The model's own lengths are per sequence already.
  if (op.getLengths())
    return indices.contains(op.getQOffset())
               ? refuse(loc, "'hybrid.attention' has lengths of its own")
               : success();
  std::optional<Size> keys = getBehindPast(op.getKvLength());
  std::optional<Size> offset = getBehindPast(op.getQOffset());
  auto queries = op.getInit().getDefiningOp<tensor::EmptyOp>();
  if (!keys || !offset || !queries)
    return refuse(loc, "'hybrid.attention' is not of all the positions so far");
  attentions.push_back({op, std::move(*keys), std::move(*offset),
                        queries.getMixedSizes()[op.getQueryTimeDim()]});
  return success();
}

/// `index` - past, if past does not occur in it.
std::optional<Size> Entry::getBehindPast(Value index) {
  MLIRContext *context = func.getContext();
  AffineMap map = AffineMap::get(0, 1, getAffineSymbolExpr(0, context));
  SmallVector<Value> operands = {index};
  affine::fullyComposeAffineMapAndOperands(&map, &operands);
  affine::canonicalizeMapAndOperands(&map, &operands);
  AffineExpr result = map.getResult(0), past;
  for (unsigned i = 0; i < operands.size(); ++i) {
    auto dim = operands[i].getDefiningOp<DimOp>();
    if (!dim || dim.getName() != this->past)
      continue;
    AffineExpr operand =
        i < map.getNumDims()
            ? getAffineDimExpr(i, context)
            : getAffineSymbolExpr(i - map.getNumDims(), context);
    // Several operations may name it.
    if (past)
      result = result.replace(operand, past);
    else
      past = operand;
  }
  if (!past)
    return std::nullopt;
  auto simplify = [&](AffineExpr expr) {
    return simplifyAffineExpr(expr, map.getNumDims(), map.getNumSymbols());
  };
  AffineExpr behind =
      simplify(result.replace(past, getAffineConstantExpr(0, context)));
  if (simplify(result - behind) != past)
    return std::nullopt;
  return Size{AffineMap::get(map.getNumDims(), map.getNumSymbols(), behind),
              operands};
}

void Entry::rewrite(StringRef name) {
  OpBuilder b(func.getContext());
  Block &body = func.getBody().front();
  Location loc = func.getLoc();
  auto type =
      RankedTensorType::get({ShapedType::kDynamic}, b.getIntegerType(64));
  unsigned number = func.getNumArguments();
  auto attrs = b.getDictionaryAttr(
      {b.getNamedAttr(kName, b.getStringAttr(name)),
       b.getNamedAttr(kRole, b.getStringAttr("positions")),
       b.getNamedAttr(kDims, b.getArrayAttr({b.getStringAttr(batch)}))});
  (void)func.insertArgument(number, type, attrs, loc);
  Value positions = body.getArgument(number);

  b.setInsertionPointToStart(&body);
  Value sequences = DimOp::create(b, loc, b.getStringAttr(batch));
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  for (CacheAppendOp append : appends) {
    append.getPositionMutable().assign(zero);
    append.getPositionsMutable().assign(positions);
  }
  for (const Attention &attention : attentions) {
    AttentionOp op = attention.op;
    b.setInsertionPoint(op);
    OpFoldResult keys = attention.keys.create(b, op.getLoc());
    OpFoldResult offset = attention.offset.create(b, op.getLoc());
    // Positions count from the end: p = lengths - queries + q_offset + i.
    AffineExpr s0, s1, s2;
    bindSymbols(b.getContext(), s0, s1, s2);
    offset = affine::makeComposedFoldedAffineApply(
        b, op.getLoc(), s0 - s1 + s2, {offset, keys, attention.queries});
    op.getQOffsetMutable().assign(
        getValueOrCreateConstantIndexOp(b, op.getLoc(), offset));
    op.getLengthsMutable().assign(
        createLengths(b, op.getLoc(), positions, sequences, keys));
  }
}

struct PerSequencePositions
    : impl::PerSequencePositionsPassBase<PerSequencePositions> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    StringRef batch = findSymbolName(module, "batch"),
              past = findSymbolName(module, "past");
    if (batch.empty() || past.empty() || module.getOps<StateOp>().empty())
      return;
    SmallVector<Entry, 2> entries;
    std::string name = "$positions";
    for (auto func : module.getOps<func::FuncOp>()) {
      if (!func->hasAttr(kEntryAttr))
        continue;
      eraseDead(func);
      for (unsigned i = 0; i < func.getNumArguments(); ++i)
        while (func.getArgAttrOfType<StringAttr>(i, kName) == name)
          name.insert(name.begin(), '$');
      if (failed(entries.emplace_back(func, batch, past).search()))
        return;
    }
    for (Entry &entry : entries)
      entry.rewrite(name);
    numEntries += entries.size();
    remark::passed(module.getLoc(),
                   remark::RemarkOpts::name("positions")
                       .category("hybrid-per-sequence-positions"))
        << "each sequence of a call has a position of its own";
  }

  /// Views of caches for outputs that have become states are nobody's use.
  static void eraseDead(func::FuncOp func) {
    for (Block &block : func.getBody())
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
        if (isOpTriviallyDead(&op))
          op.erase();
  }
};

} // namespace
} // namespace hybrid
