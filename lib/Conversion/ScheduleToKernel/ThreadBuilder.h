//===- ThreadBuilder.h - loops over the threads of a block ------*- C++ -*-===//
//
// What the device forms of computations are written with. All threads of a
// block run the same code; `parallel` hands the points of a space to threads,
// `warps` to groups of 32 of them. Between an operation that writes and one
// that reads stands a barrier, in control flow that is the same for all threads
// of the block; sums over lanes stand in control flow that is the same for all
// lanes of a warp.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_THREADBUILDER_H
#define HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_THREADBUILDER_H

#include "LoopBuilder.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace hybrid {

inline constexpr int64_t kWarpSize = 32;

class ThreadBuilder : public LoopBuilder {
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Combine = llvm::function_ref<Value(Value, Value)>;

public:
  ThreadBuilder(mlir::Operation *op, mlir::Type storage, int64_t threads)
      : LoopBuilder(op, storage), threads(threads) {}

  int64_t numThreads() const { return threads; }
  int64_t numWarps() const { return threads / kWarpSize; }

  Value thread() {
    return mlir::gpu::ThreadIdOp::create(*this, mlir::gpu::Dimension::x);
  }
  Value lane() { return remI(thread(), index(kWarpSize)); }
  Value warp() { return divI(thread(), index(kWarpSize)); }
  /// For non-negative operands.
  Value remI(Value a, Value b) {
    return createOrFold<mlir::arith::RemUIOp>(a, b);
  }
  void barrier() { mlir::gpu::BarrierOp::create(*this); }

  /// The place of point `number` in the space of `sizes`, the last of them
  /// running fastest. A block's spaces have fewer than 2^31 points.
  llvm::SmallVector<Value> delinearize(Value number,
                                       mlir::ArrayRef<Value> sizes);

  /// body(place) for each point of a space, by one thread each.
  void parallel(mlir::ArrayRef<Value> sizes,
                llvm::function_ref<void(ValueRange)> body) {
    strided(thread(), threads, sizes, body);
  }
  /// body(place) for each point of a space, by all lanes of one warp each.
  void warps(mlir::ArrayRef<Value> sizes,
             llvm::function_ref<void(ValueRange)> body) {
    strided(warp(), numWarps(), sizes, body);
  }
  /// body(place) by the first thread only.
  void once(llvm::function_ref<void()> body);

  /// The value of lane `lane ^ distance`.
  Value exchange(Value value, int64_t distance);
  /// The value of lane `from`.
  Value broadcast(Value value, Value from);
  /// Combines the values of each `width` (a power of two) neighbouring lanes;
  /// all of them get the result.
  Value reduceLanes(Value value, Combine combine, int64_t width = kWarpSize);
  /// Combines the values of all threads of the block, with barriers. `scratch`
  /// is a block-local buffer of numWarps() elements of value's type.
  Value reduceBlock(Value value, Combine combine, Value scratch);
  Value sumLanes(Value value, int64_t width = kWarpSize) {
    return reduceLanes(
        value, [&](Value a, Value b) { return add(a, b); }, width);
  }

  /// Whether `width` neighbours along the last dimension, from a multiple of it
  /// on, are contiguous in memory and aligned to their size wherever the other
  /// indices lie.
  static bool isAligned(Value memref, int64_t width);
  /// Loads them and converts them to the compute type.
  Value loadAligned(Value memref, ValueRange indices, int64_t width) {
    return toCompute(loadAlignedRaw(memref, indices, width));
  }
  Value loadAlignedRaw(Value memref, ValueRange indices, int64_t width);
  void storeAligned(Value vector, Value memref, ValueRange indices);

  /// A buffer that the threads of the block share; a place in shared memory is
  /// found for it by hybrid-distribute-threads.
  Value shared(mlir::ArrayRef<int64_t> shape, mlir::Type element);

private:
  void strided(Value first, int64_t step, mlir::ArrayRef<Value> sizes,
               llvm::function_ref<void(ValueRange)> body);
  Value shuffle(Value value, Value offset, mlir::gpu::ShuffleMode mode);

  int64_t threads;
};

/// On an alloca: threads share it. Without it each thread has its own.
inline constexpr llvm::StringLiteral kSharedAttr = "hybrid.shared";

// One per operation; each replaces it by code that all threads of a block run.
void distributeAttention(AttentionOp op, int64_t threads);
void distributeScan(ScanOp op, int64_t threads);
void distributeNorm(NormOp op, int64_t threads);
void distributeGatedNorm(GatedNormOp op, int64_t threads);
void distributeCausalConv(CausalConvOp op, int64_t threads);
void distributeExpertMatMul(ExpertMatMulOp op, int64_t threads);
void distributeRoute(RouteOp op, int64_t threads);
void distributeRope(RopeOp op, int64_t threads);
void distributeCumSum(CumSumOp op, int64_t threads);
void distributeCacheAppend(CacheAppendOp op, int64_t threads);
void distributeRingRead(RingReadOp op, int64_t threads);

} // namespace hybrid

#endif // HYBRID_LIB_CONVERSION_SCHEDULETOKERNEL_THREADBUILDER_H
