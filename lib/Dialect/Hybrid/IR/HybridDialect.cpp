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
