//===- Contraction.h - Sums of products of two tensors ----------*- C++ -*-===//

#ifndef HYBRID_LIB_CONVERSION_ONNXTOHYBRID_CONTRACTION_H
#define HYBRID_LIB_CONVERSION_ONNXTOHYBRID_CONTRACTION_H

#include "Lowering.h"

namespace hybrid {

/// Names a dimension: the same label in two operands is the same loop.
using Label = int64_t;
using Labels = llvm::SmallVector<Label, 6>;
using LabelSizes = llvm::DenseMap<Label, mlir::AffineExpr>;

struct LabeledTensor {
  Tensor tensor;
  Labels labels;
};

/// Σ a·b over the labels that `output` lacks: one linalg.generic whose loops
/// are those of `output` (unique labels), then the summed ones. A dimension of
/// size 1 broadcasts where its label's size is another one. Dimensions that
/// only one operand and the output have, or only the operands, become one
/// where they are neighbours: a batch of rows times a matrix is a product of
/// two matrices. Products and sums are kept in f32 for 16-bit floats; so is the
/// result, unless `resultType` is given and says otherwise.
Tensor contract(Lowering &lowering, LabeledTensor a, LabeledTensor b,
                llvm::ArrayRef<Label> output, const LabelSizes &sizes,
                mlir::Type resultType = {});

/// The same with one operand, in its own element type unless something is
/// summed.
Tensor contract(Lowering &lowering, LabeledTensor a,
                llvm::ArrayRef<Label> output, const LabelSizes &sizes);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_ONNXTOHYBRID_CONTRACTION_H
