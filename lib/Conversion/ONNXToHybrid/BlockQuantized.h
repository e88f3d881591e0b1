//===- BlockQuantized.h - weights of a few bits, in blocks ------*- C++ -*-===//

#ifndef HYBRID_LIB_CONVERSION_ONNXTOHYBRID_BLOCKQUANTIZED_H
#define HYBRID_LIB_CONVERSION_ONNXTOHYBRID_BLOCKQUANTIZED_H

#include "Lowering.h"

namespace hybrid {

/// Weights in f32 [rows, columns] of `bytes` [rows, n], each of which holds
/// 8 / `bits` values, low bits first: (value - zero) * scale. `scales` [rows,
/// blocks] are of as many neighbours each; n is fixed, and what it has more
/// than `columns` is dropped. `zeros`: floats like the scales, or bytes like
/// the weights, or absent for 2^(bits - 1).
Tensor dequantizeRows(Lowering &l, const Tensor &bytes, const Tensor &scales,
                      const Tensor &zeros, int64_t bits, int64_t columns);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_ONNXTOHYBRID_BLOCKQUANTIZED_H
