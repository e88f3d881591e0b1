//===- FoldDataMovement.cpp - layouts and groups instead of copies --------===//
//
// Exporters transpose and repeat tensors so that operators fit together; the
// hybrid operations read both layouts, and one head for a group. What only
// moves data around them goes into their attributes and shapes.
//
//===----------------------------------------------------------------------===//

#include "Elementwise.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_FOLDDATAMOVEMENTPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// The source and the map from the result's to the source's dimensions where
/// `value` only moves data.
std::optional<std::pair<Value, AffineMap>> getMovement(Value value) {
  auto op = value.getDefiningOp<linalg::GenericOp>();
  if (!op || op.getNumDpsInputs() != 1 || op->getNumResults() != 1 ||
      op.getNumReductionLoops() > 0 ||
      !op.getIndexingMapsArray().back().isIdentity() || !isDataMovement(op))
    return std::nullopt;
  return std::pair(op.getDpsInputs()[0], op.getIndexingMapsArray().front());
}

/// The source of a [B,T,C] ⇄ [B,C,T] transposition; null if `value` is none.
Value getTransposed(Value value) {
  auto movement = getMovement(value);
  if (!movement)
    return {};
  auto [source, map] = *movement;
  auto swapped = AffineMap::getPermutationMap(ArrayRef<unsigned>{0, 2, 1},
                                              map.getContext());
  return map == swapped ? source : Value();
}

/// The tensor of whose heads each serves `group` heads of `value` ([B,T,H,D]),
/// as [B,T,H/group,D]; null where they are not repeated.
Value getGroupHeads(OpBuilder &b, Value value) {
  Location loc = value.getLoc();
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() != 4)
    return {};
  // [B,T,D] or [B,T,1,D] for all heads.
  auto dim = [&](unsigned i) { return b.getAffineDimExpr(i); };
  auto heads = [&](ArrayRef<AffineExpr> results, unsigned rank) {
    return AffineMap::get(rank, 0, results, b.getContext());
  };
  if (auto movement = getMovement(value)) {
    auto [source, map] = *movement;
    if (map == heads({dim(0), dim(1), dim(3)}, 4)) {
      SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, source);
      sizes.insert(sizes.begin() + 2, b.getIndexAttr(1));
      SmallVector<int64_t> shape(type.getShape());
      shape[2] = 1;
      return tensor::ExpandShapeOp::create(
          b, loc, RankedTensorType::get(shape, type.getElementType()), source,
          ArrayRef<ReassociationIndices>{{0}, {1}, {2, 3}}, sizes);
    }
    if (map == heads({dim(0), dim(1), b.getAffineConstantExpr(0), dim(3)}, 4))
      return source;
    return {};
  }
  // [B,T,G,R,D], of which the repeated R is not read, collapsed.
  auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>();
  if (!collapse || collapse.getReassociationIndices() !=
                       SmallVector<ReassociationIndices>{{0}, {1}, {2, 3}, {4}})
    return {};
  auto movement = getMovement(collapse.getSrc());
  if (!movement)
    return {};
  auto [source, map] = *movement;
  if (map == heads({dim(0), dim(1), dim(2), dim(4)}, 5))
    return source;
  if (map !=
      heads({dim(0), dim(1), dim(2), b.getAffineConstantExpr(0), dim(4)}, 5))
    return {};
  return tensor::CollapseShapeOp::create(
      b, loc, source, ArrayRef<ReassociationIndices>{{0}, {1}, {2, 3}, {4}});
}

struct FoldDataMovement : impl::FoldDataMovementPassBase<FoldDataMovement> {
  void runOnOperation() override {
    SmallVector<Operation *> work;
    getOperation().walk([&](Operation *op) {
      if (isa<CausalConvOp, ScanOp, NormOp, GatedNormOp>(op))
        work.push_back(op);
    });
    for (Operation *op : work) {
      if (auto conv = dyn_cast<CausalConvOp>(op))
        foldTransposes(conv);
      else if (auto scan = dyn_cast<ScanOp>(op))
        foldGroups(scan);
      else
        sinkReshape(op);
    }
  }

  void foldTransposes(CausalConvOp op);
  void foldGroups(ScanOp op);
  void sinkReshape(Operation *op);
  void pass(Operation *op, StringRef what) {
    ++numFolded;
    remark::passed(op->getLoc(), remark::RemarkOpts::name("folded").category(
                                     "hybrid-fold-data-movement"))
        << what.str();
  }
};

/// Convolutions read [B,T,C] as well, where tokens are contiguous.
void FoldDataMovement::foldTransposes(CausalConvOp op) {
  if (op.getLayout() != ConvLayout::BCT)
    return;
  Value source = getTransposed(op.getInput());
  if (!source)
    return;
  OpBuilder b(op);
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(source.getType());
  Value init = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, source), type.getElementType());
  IRMapping mapping;
  mapping.map(op.getInput(), source);
  mapping.map(op.getInit(), init);
  auto conv = cast<CausalConvOp>(b.clone(*op, mapping));
  conv.setLayout(ConvLayout::BTC);
  conv->getResult(0).setType(type);
  Value result = conv->getResult(0), old = op->getResult(0);
  for (Operation *user : llvm::make_early_inc_range(old.getUsers()))
    if (user->getNumResults() == 1 &&
        getTransposed(user->getResult(0)) == old &&
        user->getResult(0).getType() == type)
      user->getResult(0).replaceAllUsesWith(result);
  op->getResult(1).replaceAllUsesWith(conv->getResult(1));
  if (llvm::any_of(old.getUsers(),
                   [](Operation *user) { return !isOpTriviallyDead(user); })) {
    // The others get what the input was made by, the other way round.
    auto transpose = op.getInput().getDefiningOp<linalg::GenericOp>();
    IRMapping back;
    back.map(transpose.getDpsInputs()[0], result);
    back.map(transpose.getDpsInits()[0], op.getInit());
    old.replaceAllUsesWith(b.clone(*transpose, back)->getResult(0));
  }
  pass(op, "the convolution reads and writes tokens by channels without "
           "transpositions");
}

void FoldDataMovement::foldGroups(ScanOp op) {
  OpBuilder b(op);
  for (OpOperand *operand : {&op.getQueryMutable(), &op.getKeyMutable()})
    if (Value groups = getGroupHeads(b, operand->get())) {
      operand->set(groups);
      pass(op, operand == &op.getQueryMutable()
                   ? "queries are not repeated for the heads of a group"
                   : "keys are not repeated for the heads of a group");
    }
}

/// norm, then collapse of leading dimensions: the other way round, so that the
/// norm is of the shape that a product reads.
void FoldDataMovement::sinkReshape(Operation *op) {
  Value result = op->getResult(0);
  if (!result.hasOneUse())
    return;
  auto collapse = dyn_cast<tensor::CollapseShapeOp>(*result.user_begin());
  auto type = dyn_cast<RankedTensorType>(result.getType());
  int64_t last = type.getRank() - 1;
  if (!collapse)
    return;
  auto groups = collapse.getReassociationIndices();
  auto norm = dyn_cast<NormOp>(op);
  // What is normalised, and what scales it, stays one dimension.
  auto isOne = [&](int64_t dim) { return type.getDimSize(dim) == 1; };
  if (groups.back().back() != last ||
      !llvm::all_of(ArrayRef(groups.back()).drop_back(), isOne) ||
      (norm && int64_t(norm.getAxis()) != last))
    return;
  for (Value operand : op->getOperands()) {
    int64_t rank = cast<RankedTensorType>(operand.getType()).getRank();
    if (rank != 1 && operand.getType() != type)
      return;
  }
  OpBuilder b(op);
  IRMapping mapping;
  for (Value operand : op->getOperands())
    if (operand.getType() == type)
      mapping.map(operand, tensor::CollapseShapeOp::create(b, op->getLoc(),
                                                           collapse.getType(),
                                                           operand, groups));
  Operation *copy = b.clone(*op, mapping);
  copy->getResult(0).setType(collapse.getType());
  if (norm)
    cast<NormOp>(copy).setAxis(collapse.getType().getRank() - 1);
  collapse.getResult().replaceAllUsesWith(copy->getResult(0));
  pass(op, "the norm is of the shape that its consumer reads");
}

} // namespace
} // namespace hybrid
