//===- BufferizeEntries.cpp - entries on byte buffers ---------------------===//
//
// Wraps inputs, weights, states and outputs as tensors of views of byte
// buffers, then lets one-shot bufferisation decide what happens in place. Three
// invariants make the result safe: all state writes stand at the entry's end,
// none reads what another one wrote, and inputs and weights are not writable.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "hybrid/Dialect/Hybrid/Transforms/Sizes.h"
#include "hybrid/Dialect/Hybrid/Transforms/Views.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_BUFFERIZEENTRIESPASS
#include "hybrid/Conversion/ScheduleToKernel/Passes.h.inc"

namespace {

/// The tensor that `value` is a view of, or was written into; null if neither.
Value getDestination(Value value) {
  if (auto def = value.getDefiningOp<DestinationStyleOpInterface>())
    return def.getTiedOpOperand(cast<OpResult>(value))->get();
  return getViewed(value);
}

/// The tensor in whose buffer `value` may lie: behind views and destinations.
Value getRoot(Value value) {
  while (Value destination = getDestination(value))
    value = destination;
  return value;
}

/// The tensor that was first written into that buffer.
Value getFirstWritten(Value value) {
  for (Value next = getDestination(value);
       next && !next.getDefiningOp<tensor::EmptyOp>();
       next = getDestination(value))
    value = next;
  return value;
}

/// One entry while it is rewritten.
class EntryBufferizer {
public:
  EntryBufferizer(func::FuncOp entry, ModuleOp module, int64_t &weightBytes,
                  llvm::MapVector<Attribute, int64_t> &weightOffsets)
      : entry(entry), module(module), builder(entry.getContext()),
        weightBytes(weightBytes), weightOffsets(weightOffsets) {}

  LogicalResult wrap();

private:
  LogicalResult placeWeights(Block &body, Value section);
  LogicalResult placeWeight(Value weight, Value section);
  FailureOr<DictionaryAttr> describeWeight(Value value);
  FailureOr<DictionaryAttr> describePart(Value weight);
  FailureOr<DictionaryAttr> describeQuantized(PackWeightsOp pack,
                                              DequantizeWeightOp source);
  /// The value of a symbol, at the entry's start; null if there is none.
  Value symbol(StringRef name);
  /// The view of byte buffer `bytes` at `offset` with the sizes `dims`.
  FailureOr<Value> view(Location loc, Value bytes, int64_t offset,
                        ArrayAttr dims, Type elementType);
  Value toTensor(Location loc, Value memref, bool writable);
  void separateResults(func::ReturnOp ret);
  DictionaryAttr describe(DictionaryAttr attrs, RankedTensorType type);

  func::FuncOp entry;
  ModuleOp module;
  OpBuilder builder;
  int64_t &weightBytes;
  llvm::MapVector<Attribute, int64_t> &weightOffsets;
  llvm::StringMap<Value> symbols;
};

Value EntryBufferizer::symbol(StringRef name) {
  auto [it, isNew] = symbols.try_emplace(name);
  auto known = module->getAttrOfType<ArrayAttr>(kSymbolsAttr);
  if (isNew && known && llvm::any_of(known, [&](Attribute symbol) {
        return cast<DictionaryAttr>(symbol).getAs<StringAttr>("name") == name;
      })) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&entry.getBody().front());
    it->second =
        DimOp::create(builder, entry.getLoc(), builder.getStringAttr(name));
  }
  return it->second;
}

FailureOr<Value> EntryBufferizer::view(Location loc, Value bytes,
                                       int64_t offset, ArrayAttr dims,
                                       Type elementType) {
  auto sizes = buildDims(builder, loc, dims,
                         [&](StringRef name) { return symbol(name); });
  if (failed(sizes))
    return failure();
  SmallVector<int64_t> shape;
  SmallVector<Value> dynamic;
  for (OpFoldResult size : *sizes) {
    auto constant = getConstantIntValue(size);
    shape.push_back(constant ? *constant : ShapedType::kDynamic);
    if (!constant)
      dynamic.push_back(cast<Value>(size));
  }
  Value at = arith::ConstantIndexOp::create(builder, loc, offset);
  return memref::ViewOp::create(builder, loc,
                                MemRefType::get(shape, elementType), bytes, at,
                                dynamic)
      .getResult();
}

Value EntryBufferizer::toTensor(Location loc, Value memref, bool writable) {
  auto type = cast<MemRefType>(memref.getType());
  return bufferization::ToTensorOp::create(
      builder, loc,
      RankedTensorType::get(type.getShape(), type.getElementType()), memref,
      /*restrict=*/true, writable);
}

DictionaryAttr EntryBufferizer::describe(DictionaryAttr attrs,
                                         RankedTensorType type) {
  NamedAttrList list(attrs);
  list.set("hybrid.type", TypeAttr::get(type));
  return list.getDictionary(entry.getContext());
}

/// Outputs and new states that were written into copies of one tensor must not
/// be placed by it: its buffer becomes that of one of them, which is then
/// overwritten while the others may still lie there. The others are copied
/// first.
void EntryBufferizer::separateResults(func::ReturnOp ret) {
  SmallVector<OpOperand *> results;
  for (OpOperand &operand : ret->getOpOperands())
    results.push_back(&operand);
  entry.walk(
      [&](WriteStateOp write) { results.push_back(&write.getValueMutable()); });
  llvm::DenseMap<Value, Value> writtenOf;
  builder.setInsertionPoint(ret);
  for (OpOperand *result : results) {
    // What was written last lies behind views only.
    Value value = result->get(), written = skipViews(value);
    if (!getRoot(value).getDefiningOp<tensor::EmptyOp>())
      continue;
    auto [it, isNew] = writtenOf.try_emplace(getFirstWritten(value), written);
    if (isNew || it->second == written)
      continue;
    result->set(bufferization::AllocTensorOp::create(
                    builder, value.getLoc(),
                    cast<RankedTensorType>(value.getType()), ValueRange(),
                    value)
                    .getResult());
  }
}

LogicalResult EntryBufferizer::wrap() {
  if (!entry.getBody().hasOneBlock())
    return entry.emitError("an entry has to be one block");
  Block &body = entry.getBody().front();
  Location loc = entry.getLoc();
  auto bytes = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
  FunctionType oldType = entry.getFunctionType();
  unsigned numInputs = oldType.getNumInputs(),
           numOutputs = oldType.getNumResults();
  auto states = llvm::to_vector(module.getOps<StateOp>());

  SmallVector<Attribute> inputs, outputs;
  SmallVector<ArrayAttr> inputDims, outputDims;
  auto collect = [&](DictionaryAttr attrs, Type type,
                     SmallVector<Attribute> &list,
                     SmallVector<ArrayAttr> &allDims) -> LogicalResult {
    auto dims = attrs ? attrs.getAs<ArrayAttr>("hybrid.dims") : ArrayAttr();
    auto tensorType = dyn_cast<RankedTensorType>(type);
    if (!dims || !tensorType || (int64_t)dims.size() != tensorType.getRank())
      return emitError(loc) << "every parameter and result of an entry needs "
                               "hybrid.dims, one per dimension";
    allDims.push_back(dims);
    list.push_back(describe(attrs, tensorType));
    return success();
  };
  for (unsigned i = 0; i < numInputs; ++i)
    if (failed(collect(entry.getArgAttrDict(i), oldType.getInput(i), inputs,
                       inputDims)))
      return failure();
  for (unsigned i = 0; i < numOutputs; ++i)
    if (failed(collect(entry.getResultAttrDict(i), oldType.getResult(i),
                       outputs, outputDims)))
      return failure();
  entry->setAttr(kInputsAttr, builder.getArrayAttr(inputs));
  entry->setAttr(kOutputsAttr, builder.getArrayAttr(outputs));

  // New parameters behind the old ones, which then go.
  unsigned numNew = kFirstBufferParam + numInputs + numOutputs + states.size();
  for (unsigned i = 0; i < numNew; ++i)
    body.addArgument(bytes, loc);
  auto param = [&](unsigned i) { return body.getArgument(numInputs + i); };
  // Symbols are created at the very start, so anchor after them.
  builder.setInsertionPointToStart(&body);
  for (unsigned i = 0; i < numInputs; ++i) {
    auto type = cast<RankedTensorType>(oldType.getInput(i));
    auto memref = view(loc, param(kFirstBufferParam + i), 0, inputDims[i],
                       type.getElementType());
    if (failed(memref))
      return failure();
    Value tensor = toTensor(loc, *memref, /*writable=*/false);
    if (tensor.getType() != type)
      tensor = tensor::CastOp::create(builder, loc, type, tensor);
    body.getArgument(i).replaceAllUsesWith(tensor);
  }
  // Views of outputs stand first, so that producers can write to them.
  SmallVector<Value> outputViews;
  for (unsigned i = 0; i < numOutputs; ++i) {
    auto memref =
        view(loc, param(kFirstBufferParam + numInputs + i), 0, outputDims[i],
             cast<RankedTensorType>(oldType.getResult(i)).getElementType());
    if (failed(memref))
      return failure();
    outputViews.push_back(*memref);
  }
  auto ret = cast<func::ReturnOp>(body.getTerminator());
  separateResults(ret);
  for (unsigned i = 0; i < numOutputs; ++i) {
    Value memref = outputViews[i], value = ret.getOperand(i);
    // A reshape in front of an output becomes one of the output.
    while (auto expand = value.getDefiningOp<tensor::ExpandShapeOp>()) {
      builder.setInsertionPointAfterValue(memref);
      memref = memref::CollapseShapeOp::create(
          builder, loc, memref, expand.getReassociationIndices());
      value = expand.getSrc();
    }
    builder.setInsertionPoint(ret);
    auto memrefType = cast<MemRefType>(memref.getType());
    auto wanted = RankedTensorType::get(memrefType.getShape(),
                                        memrefType.getElementType());
    if (value.getType() != wanted)
      value = tensor::CastOp::create(builder, loc, wanted, value);
    bufferization::MaterializeInDestinationOp::create(
        builder, loc, Type(), value, memref, /*restrict=*/true,
        /*writable=*/true);
  }
  // States.
  llvm::DenseMap<Attribute, Value> stateBuffer;
  for (auto [i, state] : llvm::enumerate(states))
    stateBuffer[state.getSymNameAttr()] =
        param(kFirstBufferParam + numInputs + numOutputs + i);
  llvm::DenseMap<Attribute, Value> stateView;
  auto viewState = [&](FlatSymbolRefAttr name) -> FailureOr<Value> {
    Value &memref = stateView[name.getAttr()];
    if (memref)
      return memref;
    auto state = module.lookupSymbol<StateOp>(name);
    SmallVector<Attribute> dims;
    for (int64_t size : cast<RankedTensorType>(state.getType()).getShape())
      dims.push_back(ShapedType::isDynamic(size)
                         ? Attribute(builder.getStringAttr("batch"))
                         : builder.getI64IntegerAttr(size));
    DictionaryAttr batch = findSymbol(module, "batch");
    if (batch && isa<StringAttr>(dims[0]))
      dims[0] = batch.get("name");
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&body);
    auto result =
        view(loc, stateBuffer[name.getAttr()], 0, builder.getArrayAttr(dims),
             cast<RankedTensorType>(state.getType()).getElementType());
    if (succeeded(result))
      memref = *result;
    return result;
  };
  builder.setInsertionPoint(ret);
  SmallVector<WriteStateOp> writes;
  SmallVector<ReadStateOp> reads;
  entry.walk([&](Operation *op) {
    if (auto read = dyn_cast<ReadStateOp>(op))
      reads.push_back(read);
    else if (auto write = dyn_cast<WriteStateOp>(op))
      writes.push_back(write);
  });
  // One tensor per state, so that the analysis sees all its readers.
  llvm::DenseMap<Attribute, Value> readTensor;
  for (ReadStateOp read : reads) {
    auto memref = viewState(read.getStateAttr());
    if (failed(memref))
      return failure();
    Value &tensor = readTensor[read.getStateAttr().getAttr()];
    if (!tensor) {
      builder.setInsertionPointAfterValue(*memref);
      tensor = toTensor(read.getLoc(), *memref, /*writable=*/true);
    }
    builder.setInsertionPoint(read);
    Value value = tensor;
    if (value.getType() != read.getType())
      value =
          tensor::CastOp::create(builder, read.getLoc(), read.getType(), value);
    read.replaceAllUsesWith(value);
    read.erase();
  }
  // What lies in the buffer of another state is copied before that may change.
  builder.setInsertionPoint(ret);
  for (WriteStateOp write : writes) {
    Value value = write.getValue(), root = getRoot(value);
    auto type = cast<RankedTensorType>(value.getType());
    for (auto &[state, tensor] : readTensor)
      if (tensor == root && state != write.getStateAttr().getAttr())
        write->setOperand(
            0, bufferization::AllocTensorOp::create(builder, write.getLoc(),
                                                    type, ValueRange(), value)
                   .getResult());
  }
  for (WriteStateOp write : writes) {
    auto memref = viewState(write.getStateAttr());
    if (failed(memref))
      return failure();
    builder.setInsertionPoint(ret);
    auto type = cast<MemRefType>(memref->getType());
    auto wanted = RankedTensorType::get(type.getShape(), type.getElementType());
    Value value = write.getValue();
    if (value.getType() != wanted)
      value = tensor::CastOp::create(builder, write.getLoc(), wanted, value);
    // New values are not computed where the old ones may still be read.
    bool isRead = readTensor.contains(write.getStateAttr().getAttr());
    bufferization::MaterializeInDestinationOp::create(
        builder, write.getLoc(), Type(), value, *memref, /*restrict=*/!isRead,
        /*writable=*/true);
    write.erase();
  }
  if (failed(placeWeights(body, param(kWeightsParam))))
    return failure();

  ret->setOperands({});
  body.eraseArguments(0, numInputs);
  entry.setAllArgAttrs(ArrayRef<DictionaryAttr>{});
  entry.removeResAttrsAttr();
  entry.removeArgAttrsAttr();
  entry.setFunctionType(
      builder.getFunctionType(SmallVector<Type>(numNew, bytes), {}));
  // Symbols first: views of states were put before them.
  for (auto &entry : symbols)
    if (Value value = entry.second)
      value.getDefiningOp()->moveBefore(&body, body.begin());
  return success();
}

/// Gives each weight its place in the weights section. A weight that is only a
/// part of others, or only used in another order, has none of its own.
LogicalResult EntryBufferizer::placeWeights(Block &body, Value section) {
  // Those that read others come first.
  auto placeAll = [&](auto ops) -> LogicalResult {
    for (auto op : llvm::make_early_inc_range(ops)) {
      if (op->use_empty())
        op.erase();
      else if (failed(placeWeight(op.getResult(), section)))
        return failure();
    }
    return success();
  };
  if (failed(placeAll(body.getOps<PackWeightsOp>())))
    return failure();
  for (auto op :
       llvm::make_early_inc_range(body.getOps<DequantizeWeightOp>())) {
    if (!op->use_empty())
      return op->emitError("has to be expanded, or packed, before");
    llvm::SmallSetVector<Operation *, 4> sources;
    for (Value operand : op->getOperands())
      sources.insert(operand.getDefiningOp());
    op.erase();
    for (Operation *source : sources)
      if (isOpTriviallyDead(source))
        source->erase();
  }
  if (failed(placeAll(body.getOps<ConcatWeightsOp>())))
    return failure();
  return placeAll(body.getOps<WeightOp>());
}

/// Bytes of a file, or a constant.
FailureOr<DictionaryAttr> EntryBufferizer::describePart(Value weight) {
  DenseElementsAttr value;
  if (matchPattern(weight, m_Constant(&value)))
    return builder.getDictionaryAttr({builder.getNamedAttr("data", value)});
  auto part = weight.getDefiningOp<WeightOp>();
  if (!part)
    return emitError(weight.getLoc())
           << "a weight that is stored in another order is none of a file";
  return builder.getDictionaryAttr(
      {builder.getNamedAttr("file", part.getFileAttr()),
       builder.getNamedAttr("length", part.getLengthAttr()),
       builder.getNamedAttr("offset", part.getOffsetAttr())});
}

/// The form of the panels' numbers, and of the integers that the file has.
FailureOr<DictionaryAttr>
EntryBufferizer::describeQuantized(PackWeightsOp pack,
                                   DequantizeWeightOp source) {
  QuantizationAttr form = pack.getQuantizationAttr();
  NamedAttrList result, integers;
  auto set = [&](NamedAttrList &list, StringRef name, int64_t number) {
    list.set(name, builder.getI64IntegerAttr(number));
  };
  set(result, "bits", form.getBits());
  set(result, "block", form.getBlock());
  result.set("scale", TypeAttr::get(form.getScale()));
  if (form.getZeroPoints())
    result.set("zero_points", builder.getUnitAttr());
  if (!source) {
    result.set("element",
               TypeAttr::get(getElementTypeOrSelf(pack.getWeight())));
    return result.getDictionary(builder.getContext());
  }
  auto scaleType = cast<RankedTensorType>(source.getScales().getType());
  set(integers, "row_bytes",
      cast<RankedTensorType>(source.getIntegers().getType()).getDimSize(1));
  set(integers, "block", source.getBlock());
  set(integers, "zero_point", source.getZeroPoint());
  set(integers, "scale_rows", scaleType.getDimSize(0));
  set(integers, "scale_columns", scaleType.getDimSize(1));
  if (source.getIsSigned())
    integers.set("signed", builder.getUnitAttr());
  for (auto [name, value] :
       {std::pair<StringRef, Value>("scales", source.getScales()),
        std::pair<StringRef, Value>("zero_points", source.getZeroPoints())}) {
    if (!value)
      continue;
    FailureOr<DictionaryAttr> part = describePart(value);
    if (failed(part))
      return failure();
    integers.set(name, *part);
  }
  result.set("integers", integers.getDictionary(builder.getContext()));
  return result.getDictionary(builder.getContext());
}

/// What says which bytes `value` is made of: rows, parts, panels, and how these
/// are quantised.
FailureOr<DictionaryAttr> EntryBufferizer::describeWeight(Value value) {
  NamedAttrList description;
  auto set = [&](NamedAttrList &list, StringRef name, int64_t number) {
    list.set(name, builder.getI64IntegerAttr(number));
  };
  if (auto pack = value.getDefiningOp<PackWeightsOp>()) {
    value = pack.getWeight();
    auto type = cast<RankedTensorType>(pack.getResult().getType());
    auto matrix = cast<RankedTensorType>(value.getType());
    NamedAttrList panels;
    set(panels, "rows", type.getDimSize(1));
    set(panels, "columns", matrix.getDimSize(pack.getTransposed() ? 0 : 1));
    set(panels, "width", type.getDimSize(2));
    set(panels, "bytes", type.getElementTypeBitWidth() / 8);
    if (QuantizationAttr form = pack.getQuantizationAttr()) {
      auto source = value.getDefiningOp<DequantizeWeightOp>();
      FailureOr<DictionaryAttr> quantized = describeQuantized(pack, source);
      if (failed(quantized))
        return failure();
      description.set("quantized", *quantized);
      set(panels, "rows", matrix.getDimSize(pack.getTransposed() ? 1 : 0));
      set(panels, "width", type.getDimSize(2) / form.getColumnBytes());
      if (source)
        value = source.getIntegers();
    }
    if (pack.getTransposed())
      panels.set("transposed", builder.getUnitAttr());
    description.set("panels", panels.getDictionary(builder.getContext()));
  }
  SmallVector<Value> weights = {value};
  int64_t rows = 1;
  if (auto concat = value.getDefiningOp<ConcatWeightsOp>()) {
    weights = concat.getWeights();
    auto type = cast<RankedTensorType>(value.getType());
    for (int64_t size : type.getShape().take_front(concat.getAxis()))
      rows *= size;
  }
  SmallVector<Attribute> parts;
  for (Value weight : weights) {
    FailureOr<DictionaryAttr> part = describePart(weight);
    if (failed(part))
      return failure();
    parts.push_back(*part);
  }
  set(description, "rows", rows);
  description.set("parts", builder.getArrayAttr(parts));
  return description.getDictionary(builder.getContext());
}

LogicalResult EntryBufferizer::placeWeight(Value weight, Value section) {
  FailureOr<DictionaryAttr> description = describeWeight(weight);
  if (failed(description))
    return failure();
  auto type = cast<RankedTensorType>(weight.getType());
  auto [it, isNew] = weightOffsets.insert({*description, weightBytes});
  int64_t bits = std::max<int64_t>(type.getElementTypeBitWidth(), 8);
  if (isNew)
    weightBytes =
        llvm::alignTo(weightBytes + type.getNumElements() * bits / 8, 64);
  builder.setInsertionPoint(weight.getDefiningOp());
  auto memref =
      view(weight.getLoc(), section, it->second,
           builder.getI64ArrayAttr(type.getShape()), type.getElementType());
  if (failed(memref))
    return failure();
  weight.replaceAllUsesWith(
      toTensor(weight.getLoc(), *memref, /*writable=*/false));
  weight.getDefiningOp()->erase();
  return success();
}

struct BufferizeEntries : impl::BufferizeEntriesPassBase<BufferizeEntries> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    int64_t weightBytes = 0;
    llvm::MapVector<Attribute, int64_t> weightOffsets;
    auto entries = llvm::make_filter_range(
        module.getOps<func::FuncOp>(),
        [](func::FuncOp f) { return f->hasAttr(kEntryAttr); });
    for (func::FuncOp entry : llvm::to_vector(entries)) {
      EntryBufferizer bufferizer(entry, module, weightBytes, weightOffsets);
      if (failed(bufferizer.wrap()) || failed(bufferize(entry)))
        return signalPassFailure();
    }
    OpBuilder builder(module.getContext());
    SmallVector<Attribute> weights;
    for (auto &[key, offset] : weightOffsets) {
      NamedAttrList description(cast<DictionaryAttr>(key));
      description.set("at", builder.getI64IntegerAttr(offset));
      weights.push_back(description.getDictionary(builder.getContext()));
    }
    numWeights += weights.size();
    module->setAttr(kWeightsAttr, builder.getArrayAttr(weights));
  }

  LogicalResult bufferize(func::FuncOp entry);
  void lowerCopies(func::FuncOp entry);
  llvm::StringMap<func::FuncOp> copyKernels;
  unsigned numCopyKernels = 0;
};

LogicalResult BufferizeEntries::bufferize(func::FuncOp entry) {
  IRRewriter rewriter(entry.getContext());
  if (failed(bufferization::eliminateEmptyTensors(rewriter, entry)))
    return failure();
  bufferization::OneShotBufferizationOptions options;
  options.bufferAlignment = 64;
  bufferization::BufferizationState state;
  if (failed(bufferization::runOneShotBufferize(entry, options, state)))
    return failure();
  RewritePatternSet patterns(entry.getContext());
  memref::populateResolveRankedShapedTypeResultDimsPatterns(patterns);
  for (auto *dialect : entry.getContext()->getLoadedDialects())
    dialect->getCanonicalizationPatterns(patterns);
  for (RegisteredOperationName op :
       entry.getContext()->getRegisteredOperations())
    if (op.getDialectNamespace() == "memref" ||
        op.getDialectNamespace() == "affine" ||
        op.getDialectNamespace() == "arith")
      op.getCanonicalizationPatterns(patterns, entry.getContext());
  if (failed(applyPatternsGreedily(entry, std::move(patterns))))
    return failure();
  // Copies of a view onto itself are gone once equal views are one.
  DominanceInfo dominance(entry);
  eliminateCommonSubExpressions(rewriter, dominance, entry);
  lowerCopies(entry);
  return success();
}

/// Copies become launches, so that they run in parallel and in order.
void BufferizeEntries::lowerCopies(func::FuncOp entry) {
  for (auto copy :
       llvm::make_early_inc_range(entry.getBody().getOps<memref::CopyOp>())) {
    if (copy.getSource() == copy.getTarget()) {
      copy.erase();
      continue;
    }
    ++numCopies;
    auto from = cast<MemRefType>(copy.getSource().getType());
    auto to = cast<MemRefType>(copy.getTarget().getType());
    auto in = RankedTensorType::get(from.getShape(), from.getElementType());
    auto out = RankedTensorType::get(to.getShape(), to.getElementType());
    std::string key;
    llvm::raw_string_ostream(key) << in << out;
    func::FuncOp &kernel = copyKernels[key];
    if (!kernel) {
      auto builder = OpBuilder::atBlockEnd(getOperation().getBody());
      Location loc = entry.getLoc();
      std::string name;
      do // A state may have any name.
        name = ("copy_" + Twine(numCopyKernels++)).str();
      while (getOperation().lookupSymbol(name));
      kernel = func::FuncOp::create(builder, loc, name,
                                    builder.getFunctionType({in, out}, {out}));
      kernel.setPrivate();
      kernel->setAttr(kKernelAttr, builder.getUnitAttr());
      kernel.setArgAttr(1, kWriteOnlyAttr, builder.getUnitAttr());
      Block *block = kernel.addEntryBlock();
      builder.setInsertionPointToStart(block);
      AffineMap identity = builder.getMultiDimIdentityMap(in.getRank());
      SmallVector<utils::IteratorType> parallel(in.getRank(),
                                                utils::IteratorType::parallel);
      auto generic = linalg::GenericOp::create(
          builder, loc, TypeRange{out}, ValueRange{block->getArgument(0)},
          ValueRange{block->getArgument(1)}, ArrayRef{identity, identity},
          parallel, [](OpBuilder &b, Location loc, ValueRange args) {
            linalg::YieldOp::create(b, loc, args[0]);
          });
      func::ReturnOp::create(builder, loc, generic.getResults());
    }
    remark::missed(copy.getLoc(), remark::RemarkOpts::name("copy").category(
                                      "hybrid-bufferize-entries"))
        << "a tensor of this operation is copied";
    OpBuilder builder(copy);
    LaunchOp::create(builder, copy.getLoc(), TypeRange(),
                     FlatSymbolRefAttr::get(kernel),
                     ValueRange{copy.getSource()}, ValueRange{copy.getTarget()},
                     ValueRange(), Value());
    copy.erase();
  }
}

} // namespace
} // namespace hybrid
