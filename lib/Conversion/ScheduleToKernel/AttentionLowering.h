//===- AttentionLowering.h - what both forms of attention share -*- C++ -*-===//

#ifndef HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_ATTENTIONLOWERING_H
#define HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_ATTENTIONLOWERING_H

#include "LoopBuilder.h"

namespace hybrid {

/// Whether lowerTiledAttention takes `op`, on memrefs: rows enough, dimensions
/// of heads in whole vectors, a mask (if any) that is the same for all rows.
bool canTileAttention(AttentionOp op, unsigned vectorBits);

/// Replaces `op` by loops over blocks of rows and tiles of keys.
void lowerTiledAttention(AttentionOp op, unsigned vectorBits);

/// Where `isEmpty`, a row's result becomes the mean of all values.
/// `resultIndex` gives the place of its dimension d.
void lowerMeanOfValues(
    LoopBuilder &b, AttentionOp op, mlir::Value isEmpty, mlir::Value batch,
    mlir::Value kvHead,
    llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value)>
        resultIndex);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_ATTENTIONLOWERING_H
