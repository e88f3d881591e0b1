//===- HybridDialect.cpp - registration of the hybrid dialect -------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace hybrid;

#include "dialects/Hybrid/HybridDialect.cpp.inc"
#include "dialects/Hybrid/HybridEnums.cpp.inc"
#include "dialects/Hybrid/HybridInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Hybrid/HybridAttributes.cpp.inc"

void HybridDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Hybrid/HybridAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Hybrid/HybridOps.cpp.inc"
      >();
}

LogicalResult
QuantizationAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                         int64_t bits, int64_t block, Type scale, bool, bool) {
  if (bits != 4 && bits != 8)
    return emitError() << "C1: bits must be 4 or 8, but is " << bits;
  if (block != 16 && block != 32 && block != 64 && block != 128)
    return emitError() << "C2: block must be 16, 32, 64 or 128, but is "
                       << block;
  if (!scale.isF32() && !scale.isF16() && !scale.isBF16())
    return emitError() << "C3: scale must be f32, f16 or bf16, but is "
                       << scale;
  return success();
}
