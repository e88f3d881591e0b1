//===- Positions.h - Positions that index a table ---------------*- C++ -*-===//

#ifndef HYBRID_LIB_CONVERSION_ONNXTOHYBRID_POSITIONS_H
#define HYBRID_LIB_CONVERSION_ONNXTOHYBRID_POSITIONS_H

#include "Lowering.h"

namespace hybrid {

/// The integers of `positions`, as i64 and so that they index a table of `rows`
/// rows: as they are where they are an input of the graph, whose range the
/// runtime checks (`hybrid.range`), and limited to 0 … rows - 1 otherwise.
Tensor getPositions(Lowering &l, mlir::Value positions, mlir::AffineExpr rows);

/// The integers of `positions` (any integer type), limited to 0 … rows - 1.
Tensor limitPositions(Lowering &l, const Tensor &positions,
                      mlir::AffineExpr rows);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_ONNXTOHYBRID_POSITIONS_H
