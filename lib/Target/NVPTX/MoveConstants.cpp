//===- MoveConstants.cpp - constants of entries to the weights ------------===//
//
// Constants are part of the host program's code, which a GPU does not see. The
// weights section is where it does.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "hybrid/Target/NVPTX/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_MOVECONSTANTSPASS
#include "hybrid/Target/NVPTX/Passes.h.inc"

namespace {

/// Of every buffer in the weights (HYBRID_BUFFER_ALIGNMENT).
constexpr int64_t kAlignment = 64;

struct MoveConstants : impl::MoveConstantsPassBase<MoveConstants> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    OpBuilder b(&getContext());
    if (auto known = module->getAttrOfType<ArrayAttr>(kWeightsAttr))
      llvm::append_range(weights, known);
    for (Attribute weight : weights) {
      auto end = getWeightEnd(cast<DictionaryAttr>(weight));
      bytes = std::max(bytes, end);
    }
    SymbolTable symbols(module);
    for (auto entry : module.getOps<func::FuncOp>())
      if (entry->hasAttr(kEntryAttr))
        for (auto use : llvm::make_early_inc_range(
                 entry.getBody().front().getOps<memref::GetGlobalOp>()))
          move(use, symbols.lookup<memref::GlobalOp>(use.getName()),
               entry.getArgument(kWeightsParam));
    module->setAttr(kWeightsAttr, b.getArrayAttr(weights));
    for (auto global :
         llvm::make_early_inc_range(module.getOps<memref::GlobalOp>()))
      if (SymbolTable::symbolKnownUseEmpty(global, module))
        global.erase();
  }

private:
  static int64_t get(DictionaryAttr from, StringRef key) {
    return from.getAs<IntegerAttr>(key).getInt();
  }
  static int64_t getWeightEnd(DictionaryAttr weight);
  void move(memref::GetGlobalOp use, memref::GlobalOp global, Value section);

  SmallVector<Attribute> weights;
  llvm::DenseMap<Attribute, int64_t> offsets;
  int64_t bytes = 0;
};

/// One past its last byte.
int64_t MoveConstants::getWeightEnd(DictionaryAttr weight) {
  int64_t length = 0;
  for (auto part :
       weight.getAs<ArrayAttr>("parts").getAsRange<DictionaryAttr>())
    length += get(part, "length");
  if (auto panels = weight.getAs<DictionaryAttr>("panels"))
    length = llvm::alignTo(get(panels, "columns"), get(panels, "width")) *
             get(panels, "rows") * get(panels, "bytes");
  return get(weight, "at") + length;
}

void MoveConstants::move(memref::GetGlobalOp use, memref::GlobalOp global,
                         Value section) {
  OpBuilder b(use);
  MemRefType type = use.getType();
  auto data = cast<ElementsAttr>(*global.getInitialValue());
  auto [it, isNew] = offsets.try_emplace(data, 0);
  if (isNew) {
    it->second = llvm::alignTo(bytes, kAlignment);
    int64_t length =
        type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8);
    bytes = it->second + length;
    auto part = b.getDictionaryAttr(
        {b.getNamedAttr("data", data),
         b.getNamedAttr("length", b.getI64IntegerAttr(length))});
    weights.push_back(b.getDictionaryAttr(
        {b.getNamedAttr("at", b.getI64IntegerAttr(it->second)),
         b.getNamedAttr("parts", b.getArrayAttr(part)),
         b.getNamedAttr("rows", b.getI64IntegerAttr(1))}));
    ++numConstants;
  }
  Value at = arith::ConstantIndexOp::create(b, use.getLoc(), it->second);
  use.replaceAllUsesWith(
      memref::ViewOp::create(b, use.getLoc(), type, section, at, ValueRange())
          .getResult());
  use.erase();
}

} // namespace
} // namespace hybrid
