//===- MergeProjections.cpp - pass hybrid-merge-projections ---------------===//
//
// x·W1 and x·W2 are columns of x·[W1 W2]; y1·W1 + y2·W2 is [y1 y2]·[W1; W2].
//
//===----------------------------------------------------------------------===//

#include "Elementwise.h"
#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/Hybrid/Transforms/Products.h"
#include "hybrid/Dialect/Hybrid/Transforms/Sizes.h"
#include "hybrid/Schedule/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_MERGEPROJECTIONSPASS
#include "hybrid/Schedule/Passes.h.inc"

namespace {

/// A product of rows with a weight of the model, perhaps rounded.
struct Projection : RowsProduct {
  WeightOp weight;
  linalg::GenericOp rounding;

  static std::optional<Projection> match(linalg::GenericOp op);
  Value getRows() { return (rounding ? rounding : op)->getResult(0); }
  bool isLike(Projection &other);
  void erase();
};

/// The only user of `value`, if there is one.
template <typename OpT>
OpT getOnlyUser(Value value) {
  return value.hasOneUse() ? dyn_cast<OpT>(*value.user_begin()) : OpT();
}

std::optional<Projection> Projection::match(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 2)
    return std::nullopt;
  OpOperand *matrix = op.getDpsInputOperand(1);
  auto weight = matrix->get().getDefiningOp<WeightOp>();
  std::optional<RowsProduct> product =
      weight ? getRowsProduct(*matrix) : std::nullopt;
  if (!product ||
      !product->getFill().getOutputs()[0].getDefiningOp<tensor::EmptyOp>())
    return std::nullopt;
  Projection found{*product, weight, {}};
  auto rounding = getOnlyUser<linalg::GenericOp>(op->getResult(0));
  if (rounding && rounding.getNumDpsInputs() == 1 &&
      getElementwise(rounding->getResult(0)) &&
      isInOrder(rounding.getDpsInputOperand(0)) &&
      isa<BlockArgument>(getYielded(rounding)))
    found.rounding = rounding;
  return found;
}

/// Whether both multiply alike, whatever their inputs and sizes.
bool Projection::isLike(Projection &other) {
  auto getElement = [](Value value) { return getElementTypeOrSelf(value); };
  return isTransposed == other.isTransposed &&
         getElement(getInput()) == getElement(other.getInput()) &&
         getElement(weight) == getElement(other.weight) &&
         getElement(op->getResult(0)) == getElement(other.op->getResult(0)) &&
         getElement(getRows()) == getElement(other.getRows()) &&
         OperationEquivalence::isRegionEquivalentTo(
             &op.getRegion(), &other.op.getRegion(),
             OperationEquivalence::IgnoreLocations);
}

void Projection::erase() {
  for (Operation *op : {rounding.getOperation(), op.getOperation()})
    if (op && op->use_empty())
      op->erase();
}

/// Merges what it can of one operation.
class Merger {
public:
  explicit Merger(ParallelOp op) : op(op), builder(op) {}

  /// Returns how many products became fewer.
  unsigned mergeInputs();
  bool mergeOutputs();

private:
  bool isOutside(Value value) {
    return !op->isAncestor(value.getParentBlock()->getParentOp());
  }
  void mergeInputs(MutableArrayRef<Projection> like);
  const char *findOutputs();
  Value mapRows(Value rows, Value factor,
                function_ref<Value(OpBuilder &, Location, ValueRange)> compute);
  Value scale(Value rows, unsigned branch);
  Value divide(Value rows);
  /// The number of rows, if it is known in front of `op`.
  std::optional<OpFoldResult> getNumRows(Projection &projection);
  Value multiply(Value input, ArrayRef<WeightOp> weights, Projection &model,
                 int64_t numColumns);

  ParallelOp op;
  OpBuilder builder;
  /// One per branch, and how the rows of their sum are split.
  SmallVector<Projection> outputs;
  tensor::ExpandShapeOp split;
};

std::optional<OpFoldResult> Merger::getNumRows(Projection &projection) {
  auto fill = projection.getFill();
  std::optional<OpFoldResult> size = findSize(fill.getOutputs()[0], 0);
  auto value = size ? dyn_cast<Value>(*size) : Value();
  return value && !isOutside(value) ? std::nullopt : size;
}

/// `input` times the weights as one, with the body and the type of `model`.
Value Merger::multiply(Value input, ArrayRef<WeightOp> weights,
                       Projection &model, int64_t numColumns) {
  Location loc = op.getLoc();
  bool addsColumns = numColumns != model.getNumColumns();
  int64_t axis = addsColumns == model.isTransposed ? 0 : 1;
  SmallVector<Value> parts;
  int64_t size = 0;
  for (WeightOp weight : weights) {
    if (!isOutside(weight))
      weight->moveBefore(op);
    parts.push_back(weight);
    size += cast<RankedTensorType>(weight.getType()).getDimSize(axis);
  }
  auto partType = cast<RankedTensorType>(parts.front().getType());
  SmallVector<int64_t> shape(partType.getShape());
  shape[axis] = size;
  Value weight =
      ConcatWeightsOp::create(builder, loc, partType.clone(shape), parts,
                              builder.getI64IntegerAttr(axis));

  auto make = [&](Value like) -> Value {
    SmallVector<OpFoldResult> sizes = {*getNumRows(model),
                                       builder.getIndexAttr(numColumns)};
    return tensor::EmptyOp::create(builder, loc, sizes,
                                   getElementTypeOrSelf(like));
  };
  auto clone = [&](linalg::GenericOp generic, ValueRange inputs,
                   Value init) -> Value {
    auto copy = linalg::GenericOp::create(
        builder, loc, TypeRange(init.getType()), inputs, init,
        generic.getIndexingMapsArray(), generic.getIteratorTypesArray());
    IRMapping mapping;
    generic.getRegion().cloneInto(&copy.getRegion(), mapping);
    return copy->getResult(0);
  };
  auto fill = model.getFill();
  Value zero = fill.getInputs()[0];
  if (!isOutside(zero))
    zero = builder.clone(*zero.getDefiningOp())->getResult(0);
  Value init =
      linalg::FillOp::create(builder, loc, zero, make(model.op->getResult(0)))
          .getResult(0);
  Value rows = clone(model.op, {input, weight}, init);
  if (model.rounding)
    rows = clone(model.rounding, rows, make(model.rounding->getResult(0)));
  return rows;
}

//===----------------------------------------------------------------------===//
// Products of one input
//===----------------------------------------------------------------------===//

void Merger::mergeInputs(MutableArrayRef<Projection> like) {
  int64_t numColumns = 0;
  SmallVector<WeightOp> weights;
  for (Projection &projection : like) {
    weights.push_back(projection.weight);
    numColumns += projection.getNumColumns();
  }
  builder.setInsertionPoint(op);
  Projection &model = like.front();
  Value whole = multiply(model.getInput(), weights, model, numColumns);
  OpFoldResult numRows = *getNumRows(model);
  int64_t at = 0;
  for (Projection &projection : like) {
    int64_t width = projection.getNumColumns();
    Value rows = projection.getRows();
    Value part = tensor::ExtractSliceOp::create(
        builder, op.getLoc(), cast<RankedTensorType>(rows.getType()), whole,
        {builder.getIndexAttr(0), builder.getIndexAttr(at)},
        {numRows, builder.getIndexAttr(width)},
        {builder.getIndexAttr(1), builder.getIndexAttr(1)});
    at += width;
    rows.replaceAllUsesWith(part);
    projection.erase();
  }
}

unsigned Merger::mergeInputs() {
  SmallVector<SmallVector<Projection>> groups;
  SmallVector<llvm::SmallDenseSet<unsigned>> branchesOf;
  for (auto [n, branch] : llvm::enumerate(op.getBranches()))
    for (auto product : branch.getOps<linalg::GenericOp>()) {
      std::optional<Projection> found = Projection::match(product);
      if (!found || !isOutside(found->getInput()) || !getNumRows(*found))
        continue;
      auto *group = llvm::find_if(groups, [&](auto &group) {
        return group.front().getInput() == found->getInput() &&
               group.front().isLike(*found);
      });
      if (group == groups.end()) {
        groups.emplace_back();
        branchesOf.emplace_back();
        group = &groups.back();
      }
      group->push_back(*found);
      branchesOf[group - groups.begin()].insert(n);
    }
  unsigned numMerged = 0;
  for (auto [group, branches] : llvm::zip(groups, branchesOf)) {
    if (branches.size() < 2)
      continue;
    numMerged += group.size();
    mergeInputs(group);
  }
  return numMerged;
}

//===----------------------------------------------------------------------===//
// Products that are added
//===----------------------------------------------------------------------===//

/// Fills `outputs`; returns null, or what is in the way.
const char *Merger::findOutputs() {
  if (op.getCombine() == Combine::Concat)
    return "the branches' results are not added";
  for (Value weight : op.getWeights())
    if (cast<RankedTensorType>(weight.getType()).getRank() != 0)
      return "a factor per channel stands between product and sum";
  for (Region &branch : op.getBranches()) {
    Value value = branch.front().getTerminator()->getOperand(0);
    if (!value.hasOneUse())
      return "a branch's result is used elsewhere";
    if (auto expand = value.getDefiningOp<tensor::ExpandShapeOp>()) {
      value = expand.getSrc();
      if (outputs.empty())
        split = expand;
    }
    if (split && !llvm::all_of(split.getOutputShape(),
                               [&](Value size) { return isOutside(size); }))
      return "a branch computes the sizes of its result";
    auto product = value.getDefiningOp<linalg::GenericOp>();
    if (product && product.getNumDpsInputs() == 1)
      product = product.getDpsInputs()[0].getDefiningOp<linalg::GenericOp>();
    std::optional<Projection> found =
        product ? Projection::match(product) : std::nullopt;
    if (!found || found->getRows() != value)
      return "a branch does not end with the product of a weight";
    if (!getNumRows(*found))
      return "a branch computes the sizes of its result";
    if (!outputs.empty() &&
        (!outputs.front().isLike(*found) ||
         outputs.front().getNumColumns() != found->getNumColumns()))
      return "the products differ in type";
    outputs.push_back(*found);
  }
  return nullptr;
}

/// Computes each element of `rows` from itself and `factor`, a tensor of rank 0
/// or null, in f32 at least.
Value Merger::mapRows(
    Value rows, Value factor,
    function_ref<Value(OpBuilder &, Location, ValueRange)> compute) {
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(rows.getType());
  SmallVector<OpFoldResult> sizes = {*getNumRows(outputs.front()),
                                     builder.getIndexAttr(type.getDimSize(1))};
  Value empty =
      tensor::EmptyOp::create(builder, loc, sizes, type.getElementType());
  AffineMap identity = builder.getMultiDimIdentityMap(2);
  SmallVector<AffineMap> maps = {identity, identity};
  SmallVector<Value> inputs = {rows};
  if (factor) {
    inputs.push_back(factor);
    maps.insert(maps.begin() + 1, AffineMap::get(2, 0, builder.getContext()));
  }
  auto body = [&](OpBuilder &b, Location loc, ValueRange arguments) {
    SmallVector<Value> scalars;
    for (Value argument : arguments.drop_back())
      scalars.push_back(
          argument.getType().getIntOrFloatBitWidth() < 32
              ? arith::ExtFOp::create(b, loc, b.getF32Type(), argument)
              : argument);
    Value result = compute(b, loc, scalars);
    if (result.getType() != type.getElementType())
      result = arith::TruncFOp::create(b, loc, type.getElementType(), result);
    linalg::YieldOp::create(b, loc, result);
  };
  SmallVector<utils::IteratorType> loops(2, utils::IteratorType::parallel);
  return linalg::GenericOp::create(builder, loc, type, inputs, empty, maps,
                                   loops, body)
      .getResult(0);
}

/// A branch's rows times the number that the combination multiplies its result
/// by; the mean divides behind the product.
Value Merger::scale(Value rows, unsigned branch) {
  Value factor;
  if (op.getCombine() == Combine::Sub && branch > 0)
    factor = arith::ConstantOp::create(
        builder, op.getLoc(),
        DenseElementsAttr::get(RankedTensorType::get({}, builder.getF32Type()),
                               -1.0f));
  if (op.getCombine() == Combine::Weighted)
    factor = op.getWeights()[branch];
  if (!factor)
    return rows;
  return mapRows(rows, factor,
                 [](OpBuilder &b, Location loc, ValueRange scalars) {
                   return arith::MulFOp::create(b, loc, scalars[0], scalars[1])
                       .getResult();
                 });
}

/// The branches' inputs of their last products side by side, and one product
/// behind.
bool Merger::mergeOutputs() {
  if (const char *reason = findOutputs()) {
    remark::missed(op.getLoc(), remark::RemarkOpts::name("outputs").category(
                                    "hybrid-merge-projections"))
        << ("no product of all branches' results: " + Twine(reason)).str();
    return false;
  }
  SmallVector<Value> yielded;
  SmallVector<WeightOp> weights;
  int64_t width = 0;
  for (auto [n, region] : llvm::enumerate(op.getBranches())) {
    builder.setInsertionPoint(region.front().getTerminator());
    yielded.push_back(scale(outputs[n].getInput(), n));
    weights.push_back(outputs[n].weight);
    width += cast<RankedTensorType>(yielded.back().getType()).getDimSize(1);
  }
  auto rowsType = cast<RankedTensorType>(yielded.front().getType());
  SmallVector<Type> types = {rowsType.clone({rowsType.getDimSize(0), width})};
  llvm::append_range(types, op.getOthers().getTypes());
  builder.setInsertionPoint(op);
  auto merged =
      ParallelOp::create(builder, op.getLoc(), types, ValueRange(),
                         Combine::Concat, op.getFormAttr(), yielded.size());
  SmallVector<Operation *> splits;
  for (auto [n, region] : llvm::enumerate(op.getBranches())) {
    Operation *yield = region.front().getTerminator();
    Operation *expand = yield->getOperand(0).getDefiningOp();
    yield->setOperand(0, yielded[n]);
    if (split)
      splits.push_back(expand);
    merged.getBranches()[n].takeBody(region);
  }
  Projection &model = outputs.front();
  Value rows =
      multiply(merged.getResult(), weights, model, model.getNumColumns());
  if (op.getCombine() == Combine::Mean)
    rows = divide(rows);
  if (split)
    rows = tensor::ExpandShapeOp::create(
        builder, op.getLoc(), split.getResultType(), rows,
        split.getReassociationIndices(), split.getMixedOutputShape());
  SmallVector<Value> results = {rows};
  llvm::append_range(results, merged.getOthers());
  op->replaceAllUsesWith(results);
  for (Operation *expand : splits)
    expand->erase();
  for (Projection &output : outputs)
    output.erase();
  op.erase();
  return true;
}

/// `rows` by the number of branches.
Value Merger::divide(Value rows) {
  double count = op.getBranches().size();
  return mapRows(rows, {}, [&](OpBuilder &b, Location loc, ValueRange scalars) {
    Value number = arith::ConstantOp::create(
        b, loc, b.getFloatAttr(scalars[0].getType(), count));
    return arith::DivFOp::create(b, loc, scalars[0], number).getResult();
  });
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

struct MergeProjections : impl::MergeProjectionsPassBase<MergeProjections> {
  void runOnOperation() override {
    SmallVector<ParallelOp> all;
    getOperation().walk([&](ParallelOp op) {
      if (op.getForm() == BranchForm::Merged)
        all.push_back(op);
    });
    for (ParallelOp op : all) {
      Merger merger(op);
      if (unsigned count = merger.mergeInputs()) {
        numInputs += count;
        remark::passed(op.getLoc(), remark::RemarkOpts::name("inputs").category(
                                        "hybrid-merge-projections"))
            << "one product where branches multiply the same input"
            << remark::metric("products", count);
      } else {
        remark::missed(op.getLoc(), remark::RemarkOpts::name("inputs").category(
                                        "hybrid-merge-projections"))
            << "no product of all branches' inputs: no two branches multiply "
               "the same input by a weight of the same type and order";
      }
      Location loc = op.getLoc();
      unsigned numBranches = op.getBranches().size();
      if (!merger.mergeOutputs())
        continue;
      numOutputs += numBranches;
      remark::passed(loc, remark::RemarkOpts::name("outputs").category(
                              "hybrid-merge-projections"))
          << "one product where branches' products are added"
          << remark::metric("products", numBranches);
    }
  }
};

} // namespace
} // namespace hybrid
