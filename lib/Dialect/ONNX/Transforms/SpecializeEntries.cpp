//===- SpecializeEntries.cpp - pass onnx-specialize-entries ---------------===//

#include "hybrid/Dialect/ONNX/Transforms/InputRole.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"

#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;

namespace hybrid::onnx {

#define GEN_PASS_DEF_ONNXSPECIALIZEENTRIES
#include "dialects/ONNX/ONNXPasses.h.inc"

static bool hasStates(func::FuncOp func) {
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    if (func.getArgAttr(i, kStateAttr))
      return true;
  return false;
}

/// The name of the dimension that counts a call's tokens, if it is dynamic.
static StringRef getTokensDim(func::FuncOp func) {
  auto roles = func->getAttrOfType<DictionaryAttr>(kRolesAttr);
  auto name = roles ? roles.getAs<StringAttr>("seq") : StringAttr();
  auto bindings = func->getAttrOfType<DictionaryAttr>(kBindingsAttr);
  if (!name || (bindings && bindings.contains(name)))
    return "";
  return name.getValue();
}

static void addBinding(func::FuncOp func, StringRef name, StringRef value) {
  Builder builder(func.getContext());
  NamedAttrList bindings(func->getAttrOfType<DictionaryAttr>(kBindingsAttr));
  bindings.set(name, builder.getStringAttr(value));
  func->setAttr(kBindingsAttr, bindings.getDictionary(func.getContext()));
}

namespace {
class SpecializeEntries
    : public impl::ONNXSpecializeEntriesBase<SpecializeEntries> {
public:
  using ONNXSpecializeEntriesBase::ONNXSpecializeEntriesBase;

  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main || main.isDeclaration() || !hasStates(main))
      return;
    StringRef tokens = getTokensDim(main);
    main.setName("prefill");
    if (tokens.empty())
      return;
    OpBuilder builder(main);
    builder.setInsertionPointAfter(main);
    auto decode = cast<func::FuncOp>(builder.clone(*main));
    decode.setName("decode");
    addBinding(decode, tokens, "1");
  }
};
} // namespace

} // namespace hybrid::onnx
