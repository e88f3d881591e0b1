//===- PrintShapes.cpp - Print symbolic shapes ----------------------------===//

#include "PassOptions.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"
#include "llvm/Support/raw_ostream.h"

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXPRINTSHAPES
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

namespace {
struct PrintShapes : hybrid::onnx::impl::ONNXPrintShapesBase<PrintShapes> {
  using ONNXPrintShapesBase::ONNXPrintShapesBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    markAllAnalysesPreserved();
    if (func.isExternal())
      return;
    FailureOr<SymbolicShapeOptions> options =
        makeShapeOptions(bindings, func.getLoc());
    if (failed(options))
      return signalPassFailure();
    FailureOr<SymbolicShapes> shapes = SymbolicShapes::compute(func, *options);
    if (failed(shapes))
      return signalPassFailure();
    print(func, *shapes);
  }

private:
  void print(func::FuncOp func, const SymbolicShapes &shapes);
  void printValue(Value value, StringRef label, const SymbolicShapes &shapes,
                  raw_ostream &os);
  void printOutput(func::FuncOp func, OpOperand &operand,
                   const SymbolicShapes &shapes, raw_ostream &os);
  void printSymbols(const SymbolicShapes &shapes, raw_ostream &os);

  unsigned numValues = 0, numUnranked = 0, numFromData = 0;
};
} // namespace

static std::string join(ArrayRef<AffineExpr> list,
                        const SymbolicShapes &shapes) {
  std::string text;
  for (auto [i, expr] : llvm::enumerate(list))
    text += (i ? ", " : "") + shapes.print(expr);
  return text;
}

void PrintShapes::printValue(Value value, StringRef label,
                             const SymbolicShapes &shapes, raw_ostream &os) {
  if (isAbsent(value))
    return;
  ++numValues;
  std::string text = "?";
  std::optional<ArrayRef<AffineExpr>> shape = shapes.getShape(value);
  if (shape)
    text = "[" + join(*shape, shapes) + "]";
  else
    ++numUnranked;
  if (shape && llvm::any_of(*shape, [&](AffineExpr dim) {
        return shapes.dependsOnData(dim);
      })) {
    ++numFromData;
    text += " from data";
  }
  if (std::optional<SmallVector<AffineExpr>> elements =
          shapes.getElements(value))
    text += " = {" + join(*elements, shapes) + "}";
  os << getNodeName(value.getLoc()) << " " << label << " " << text << "\n";
}

void PrintShapes::printOutput(func::FuncOp func, OpOperand &operand,
                              const SymbolicShapes &shapes, raw_ostream &os) {
  unsigned number = operand.getOperandNumber();
  auto name = func.getResultAttrOfType<StringAttr>(number, "onnx.name");
  std::optional<ArrayRef<AffineExpr>> shape = shapes.getShape(operand.get());
  os << (name ? name.str() : std::to_string(number)) << " output "
     << (shape ? "[" + join(*shape, shapes) + "]" : "?") << "\n";
}

void PrintShapes::printSymbols(const SymbolicShapes &shapes, raw_ostream &os) {
  for (unsigned i = 0; i < shapes.getNumSymbols(); ++i) {
    const SymbolInfo &symbol = shapes.getSymbol(i);
    if (symbol.kind == SymbolInfo::Kind::InputDim && !symbol.lhs)
      continue;
    os << "symbol " << symbol.name;
    switch (symbol.kind) {
    case SymbolInfo::Kind::InputDim:
      os << ": dimension " << symbol.index << " of '"
         << getNodeName(symbol.value.getLoc()) << "' minus "
         << shapes.print(symbol.lhs);
      break;
    case SymbolInfo::Kind::ValueDim:
      os << ": dimension " << symbol.index << " of '"
         << getNodeName(symbol.value.getLoc()) << "'";
      break;
    case SymbolInfo::Kind::Element:
      os << ": element " << symbol.index << " of '"
         << getNodeName(symbol.value.getLoc()) << "'";
      break;
    default:
      break;
    }
    os << "\n";
  }
}

void PrintShapes::print(func::FuncOp func, const SymbolicShapes &shapes) {
  raw_ostream &os = summaryOnly ? llvm::nulls() : llvm::outs();
  for (BlockArgument argument : func.getArguments())
    printValue(argument, "input", shapes, os);
  func.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op == func)
      return;
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument argument : block.getArguments())
          printValue(argument, "subgraph input", shapes, os);
    for (Value result : op->getResults())
      printValue(result, getOpType(op), shapes, os);
  });
  for (OpOperand &operand :
       func.getBody().front().getTerminator()->getOpOperands())
    printOutput(func, operand, shapes, os);
  printSymbols(shapes, os);
  llvm::outs() << "values " << numValues << ", unknown rank " << numUnranked
               << ", data-dependent " << numFromData << "\n";
}
