//===- ONNXDialect.cpp - The onnx dialect, types and attributes -----------===//

#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace hybrid::onnx;

#include "dialects/ONNX/ONNXDialect.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/ONNX/ONNXTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/ONNX/ONNXAttributes.cpp.inc"

void ONNXDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/ONNX/ONNXTypes.cpp.inc"
      >();
}

void ONNXDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/ONNX/ONNXAttributes.cpp.inc"
      >();
}

void ONNXDialect::initialize() {
  registerTypes();
  registerAttributes();
  addCoreOps();
  addMathOps();
  addMicrosoftOps();
  addNNOps();
  addQuantOps();
  addReductionOps();
  addSignalOps();
  addTensorOps();
}

Operation *ONNXDialect::materializeConstant(OpBuilder &builder, Attribute value,
                                            Type type, Location loc) {
  if (isa<UnitAttr>(value) && isa<NoneType>(type))
    return NoneOp::create(builder, loc, type);
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || elements.getType() != type)
    return nullptr;
  return ConstantOp::create(builder, loc, type, elements);
}

//===----------------------------------------------------------------------===//
// What an op is called in ONNX
//===----------------------------------------------------------------------===//

static constexpr llvm::StringLiteral kMicrosoftPrefix{"onnx.ms."};

StringRef hybrid::onnx::getDomain(Operation *op) {
  if (auto unknown = dyn_cast<UnknownOp>(op))
    return unknown.getDomain();
  if (op->getName().getStringRef().starts_with(kMicrosoftPrefix))
    return "com.microsoft";
  return "";
}

StringRef hybrid::onnx::getOpType(Operation *op) {
  if (auto unknown = dyn_cast<UnknownOp>(op))
    return unknown.getOpType();
  StringRef name = op->getName().getStringRef();
  if (!name.consume_front(kMicrosoftPrefix))
    name.consume_front("onnx.");
  return name;
}

int64_t hybrid::onnx::getOpsetVersion(Operation *op) {
  if (auto own = op->getAttrOfType<IntegerAttr>(ONNXDialect::kOpsetAttr))
    return own.getInt();
  auto module = op->getParentOfType<ModuleOp>();
  if (!module)
    return 0;
  auto opsets = module->getAttrOfType<DictionaryAttr>(ONNXDialect::kOpsetsAttr);
  if (!opsets)
    return 0;
  StringRef domain = getDomain(op);
  auto version =
      opsets.getAs<IntegerAttr>(domain.empty() ? "ai.onnx" : domain);
  return version ? version.getInt() : 0;
}

std::string hybrid::onnx::getNodeName(Location loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name.getName().str();
  if (auto site = dyn_cast<CallSiteLoc>(loc)) {
    std::string caller = getNodeName(site.getCaller());
    std::string callee = getNodeName(site.getCallee());
    return caller.empty() ? callee : caller + "/" + callee;
  }
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations())
      if (std::string name = getNodeName(part); !name.empty())
        return name;
  return "";
}

std::optional<uint64_t> hybrid::onnx::getByteSize(ShapedType type) {
  if (!type.hasStaticShape())
    return std::nullopt;
  Type element = type.getElementType();
  uint64_t bits;
  if (auto complex = dyn_cast<ComplexType>(element))
    bits = 2 * complex.getElementType().getIntOrFloatBitWidth();
  else if (element.isInteger(1))
    bits = 8; // bool
  else if (element.isIntOrFloat())
    bits = element.getIntOrFloatBitWidth();
  else
    return std::nullopt;
  uint64_t total = bits;
  for (int64_t dim : type.getShape()) {
    auto product =
        llvm::checkedMulUnsigned<uint64_t>(total, static_cast<uint64_t>(dim));
    if (!product)
      return std::nullopt;
    total = *product;
  }
  return total / 8 + (total % 8 != 0);
}
