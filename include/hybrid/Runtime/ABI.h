//===- ABI.h - binary interface between artifact and runtime ----*- C++ -*-===//
//
// The structures that generated host programs and the runtime share. Plain C,
// fixed layout: the compiler emits LLVM IR against exactly these field offsets
// (lib/Target/CPU), so every change raises HYBRID_ABI_VERSION.
//
// A host program never allocates and never computes on tensor data: it fills
// argument arrays and asks the context to launch kernels, in order. Each launch
// is a kernel, a grid (number of blocks) and an argument array, whatever the
// device.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_RUNTIME_ABI_H
#define HYBRID_RUNTIME_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HYBRID_ABI_VERSION 1

/// Alignment, in bytes, of the arena, the weights section, every state, every
/// input and every output that the runtime hands to a host program, and of
/// every buffer inside the arena and the weights.
#define HYBRID_BUFFER_ALIGNMENT 64

/// One block of a kernel's grid. `args` is the launch's argument array: 64-bit
/// slots, each a pointer or a two's complement integer, in the order of the
/// kernel function's parameters (a memref contributes its base pointer, then
/// its dynamic sizes, then, if its layout is not the identity, its offset and
/// its dynamic strides, in elements).
typedef void (*HybridKernelFn)(const uint64_t *args, int64_t block);

typedef struct HybridContext HybridContext;

/// What a host program may ask of the device. Field order is ABI.
struct HybridContext {
  /// Runs blocks 0 … grid-1 of kernel number `index` (its position in the
  /// manifest's "kernels") in any order, and orders it after every earlier
  /// launch. On the CPU `fn` is the kernel. `args` is read before the call
  /// returns (asynchronous devices copy it). grid <= 0 launches nothing.
  void (*launch)(HybridContext *ctx, HybridKernelFn fn, int64_t index,
                 int64_t grid, const uint64_t *args, int64_t numArgs);
};

/// The buffers of one call of an entry point.
typedef struct HybridCall {
  void *arena;          ///< manifest "arena_bytes" of scratch memory
  const void *weights;  ///< the mapped weights section
  const int64_t *dims;  ///< one value per manifest symbol, in its order
  void *const *inputs;  ///< one per manifest input, dense row-major
  void *const *outputs; ///< one per manifest output, dense row-major
  void *const *states;  ///< one per manifest state, batch-major, full capacity
} HybridCall;

/// An entry point: issues all launches of one call.
typedef void (*HybridEntryFn)(HybridContext *ctx, const HybridCall *call);

/// Writes the actual dimensions of every input and then every output, in
/// manifest order, one after another, to `shapes`, given the symbols' values.
/// A scalar contributes nothing.
typedef void (*HybridShapesFn)(const int64_t *dims, int64_t *shapes);

#ifdef __cplusplus
}
#endif

#endif // HYBRID_RUNTIME_ABI_H
