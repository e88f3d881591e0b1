//===- SequenceLengths.h - lengths of sequences ------------------*- C++
//-*-===//

#ifndef HYBRID_LIB_SCHEDULE_SEQUENCELENGTHS_H
#define HYBRID_LIB_SCHEDULE_SEQUENCELENGTHS_H

#include "mlir/IR/Builders.h"

namespace hybrid {

/// min(positions, most) + count for each sequence (i64 [batch]); no limit
/// without `most`.
mlir::Value createLengths(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Value positions, mlir::Value batch,
                          mlir::OpFoldResult count,
                          std::optional<int64_t> most = std::nullopt);

/// The count of lengths that createLengths made of `positions` without a
/// limit; none where `lengths` is something else.
std::optional<mlir::OpFoldResult> matchLengths(mlir::Value lengths,
                                               mlir::Value positions);

} // namespace hybrid

#endif // HYBRID_LIB_SCHEDULE_SEQUENCELENGTHS_H
