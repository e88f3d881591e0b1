//===- HybridInterfaces.td - interfaces of the dialect -----*- tablegen -*-===//

#ifndef HYBRID_INTERFACES_TD
#define HYBRID_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Hybrid_CostModelInterface : OpInterface<"CostModelInterface"> {
  let cppNamespace = "::hybrid";
  let description = [{
    What an operation costs on given shapes, whatever the target. The numbers
    are the algorithm's floor: each operand byte read once, each result byte
    written once, nothing for index arithmetic.
  }];
  let methods = [
    InterfaceMethod<[{
      The cost on concrete shapes. `shapes` holds one shape per shaped operand
      in operand order, without dynamic sizes; `lengths` one value per index
      operand, in operand order.
    }], "::hybrid::Cost", "getCost",
      (ins "::llvm::ArrayRef<::llvm::SmallVector<int64_t>>":$shapes,
           "::llvm::ArrayRef<int64_t>":$lengths)>
  ];
}

#endif // HYBRID_INTERFACES_TD
