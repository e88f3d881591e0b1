//===- ScanLowering.h - what the forms of a scan share -----------*- C++
//-*-===//
//
// Blocks hold some heads and some value columns of a scan. Columns of a state
// do not depend on each other under any update rule, so that a block may hold
// any number of them; in buffers they are padded to whole vectors.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_SCANLOWERING_H
#define HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_SCANLOWERING_H

#include "LoopBuilder.h"

namespace hybrid {

/// The sequential form, and the frame of the others: a loop over heads around
/// `emitTime`.
class ScanLowering {
public:
  ScanLowering(ScanOp op, unsigned vectorBits);
  virtual ~ScanLowering() = default;

  void lower();

protected:
  using Value = mlir::Value;

  /// Buffers that live as long as the block.
  virtual void allocate() {}
  /// All steps of the current head.
  virtual void emitTime() { emitSteps(b.index(0), length); }

  /// Steps first … end-1 of the current head, one after the other.
  void emitSteps(Value first, Value end);
  /// Chunks of `chunk` steps: `body(first, steps)` unless so few are left that
  /// `sequential_below` wants them sequentially.
  void emitChunks(int64_t chunk, llvm::function_ref<void(Value, Value)> body);

  // Elements of the operands, for the current batch and head.
  Value keyAt(Value t, Value i) {
    return b.load(op.getKey(), {batch, t, keyHead, i});
  }
  Value queryAt(Value t, Value output, Value i) {
    return b.load(op.getQuery(), {batch, t, b.divI(output, headsPerQuery), i});
  }
  Value valueAt(Value t, Value j) {
    return b.load(op.getValue(), {batch, t, head, j});
  }
  /// The factor, not its logarithm; `i` is for decays per key channel.
  Value decayAt(Value t, Value i);
  Value betaAt(Value t);
  /// output = the number of an output head of the current head.
  void forOutputs(llvm::function_ref<void(Value output, Value number)> body);
  /// result[batch, t, output, :] = factor · buffer[row…, :].
  void storeOutput(Value t, Value output, Value factor, Value buffer,
                   mlir::ValueRange row);

  /// body(first column, vectors) over all columns of a state, several vectors
  /// at a time.
  void forColumns(llvm::function_ref<void(Value, int64_t)> body);
  /// One vector of each of `count` places side by side.
  llvm::SmallVector<Value> loadVectors(Value buffer, mlir::ValueRange outer,
                                       Value column, int64_t count);
  void storeVectors(mlir::ValueRange vectors, Value buffer,
                    mlir::ValueRange outer, Value column);
  void fillZero(Value buffer);

  ScanOp op;
  LoopBuilder b;
  int64_t lanes;
  bool hasDecay, hasBeta, perKey;
  Value length, keyDim, valueDim, paddedDim, scale;
  /// Output heads per value head, value heads per query and per key head.
  Value outputsPerHead, headsPerQuery, headsPerKey;
  /// The current head.
  Value batch, head, keyHead;
  /// Its state, [key channels, padded columns]: a buffer in the compute type,
  /// or for a single step the operand's own memory if it is like one.
  Value state;

private:
  void lowerHead();
  void loadSteps(Value start, Value count);
  void emitStep(Value t, Value r);
  bool isStateInPlace();
  Value getOwnState();

  bool inPlace;
  /// A row per step of a block of steps; queries per output head.
  Value keys, queries, decays, deltas;
  /// One output.
  Value row;
};

/// The forms with chunks; `op` says their length.
void lowerChunkedScan(ScanOp op, unsigned vectorBits);
void lowerAssociativeScan(ScanOp op, unsigned vectorBits);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_SCANLOWERING_H
