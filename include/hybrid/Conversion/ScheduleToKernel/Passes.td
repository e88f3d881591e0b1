//===- Passes.td - level 3 to level 4 ----------------------*- tablegen -*-===//
//
// In the order of the pipeline.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_CONVERSION_SCHEDULETOKERNEL_PASSES_TD
#define HYBRID_CONVERSION_SCHEDULETOKERNEL_PASSES_TD

include "mlir/Pass/PassBase.td"

def BufferizeEntriesPass : Pass<"hybrid-bufferize-entries", "::mlir::ModuleOp"> {
  let summary = "Turns entries on tensors into entries on memrefs";
  let description = [{
    An entry's parameters become byte buffers, in this order: arena, weights, one per
    input, one per output, one per state. Inputs, weights and states are views of
    them; results are computed in place in the outputs where one-shot
    bufferisation finds that possible; a state that is updated in place is never
    copied. Weights get their offsets, recorded in the module attribute
    `hybrid.weights`. A copy that remains is a launch of a copy kernel.

    Before:
    ```mlir
    func.func @main(%x: tensor<?x64xf32> {hybrid.name = "x", hybrid.dims = ["batch", 64]}) -> (tensor<?x64xf32> {hybrid.name = "y", hybrid.dims = ["batch", 64]}) attributes {hybrid.entry} {
      %n = hybrid.dim "batch"
      %e = tensor.empty(%n) : tensor<?x64xf32>
      %r = hybrid.launch @map_0 ins(%x : tensor<?x64xf32>) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
      return %r : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    func.func @main(%arena: memref<?xi8>, %weights: memref<?xi8>, %in0: memref<?xi8>, %out0: memref<?xi8>) attributes {hybrid.entry} {
      %c0 = arith.constant 0 : index
      %n = hybrid.dim "batch"
      %x = memref.view %in0[%c0][%n] : memref<?xi8> to memref<?x64xf32>
      %y = memref.view %out0[%c0][%n] : memref<?xi8> to memref<?x64xf32>
      hybrid.launch @map_0 ins(%x : memref<?x64xf32>) outs(%y : memref<?x64xf32>)
      return
    }
    ```
  }];
  let statistics = [
    Statistic<"numCopies", "num-copies", "copies that bufferisation inserted">,
    Statistic<"numWeights", "num-weights", "different weights">
  ];
  let dependentDialects = [
    "::mlir::bufferization::BufferizationDialect", "::mlir::memref::MemRefDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::affine::AffineDialect"];
}

def SpecializeKernelsPass : Pass<"hybrid-specialize-kernels", "::mlir::ModuleOp"> {
  let summary = "Gives kernels the memref types of their launches";
  let description = [{
    Each kernel is cloned once per combination of operand layouts it is launched
    with; its parameters become memrefs and its body writes them.

    Before:
    ```mlir
    func.func private @map_0(%x: tensor<?x64xf32>, %o: tensor<?x64xf32> {hybrid.writeonly}) -> tensor<?x64xf32> attributes {hybrid.kernel}
    ```
    After:
    ```mlir
    func.func private @map_0(%x: memref<?x64xf32, strided<[328, 1], offset: 128>>, %o: memref<?x64xf32>) attributes {hybrid.kernel}
    ```
  }];
  let statistics = [
    Statistic<"numClones", "num-clones", "kernels cloned for another layout">
  ];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect"];
}

def TileToGridPass : Pass<"hybrid-tile-to-grid", "::mlir::func::FuncOp"> {
  let summary = "Cuts a kernel's work into the blocks of a grid";
  let description = [{
    The kernel's last operation is tiled by an `scf.forall`, its producers are
    fused into the tiles. Tile sizes are chosen so that a block is worth a
    launch on a CPU core and its operands fit the caches, or given by option.

    Before:
    ```mlir
    %r = linalg.generic … ins(%x : tensor<?x64xf32>) outs(%o : tensor<?x64xf32>) …
    ```
    After:
    ```mlir
    %r = scf.forall (%i) = (0) to (%n) step (256) shared_outs(%t = %o) -> (tensor<?x64xf32>) { … linalg.generic on tensor<?x64xf32> … }
    ```
  }];
  let options = [
    ListOption<"tileSizes", "tile-sizes", "int64_t",
               "tile sizes instead of the chosen ones; 0 leaves a loop whole">,
    Option<"forDevice", "for-device", "bool", "false",
           "blocks for the threads of a GPU's multiprocessor instead of a CPU core">
  ];
  let statistics = [
    Statistic<"numTiled", "num-tiled", "kernels cut into blocks">
  ];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::affine::AffineDialect",
                           "::mlir::tensor::TensorDialect"];
}

def BufferizeKernelsPass : Pass<"hybrid-bufferize-kernels", "::mlir::func::FuncOp"> {
  let summary = "Turns a kernel's body from tensors into memrefs";
  let description = [{
    One-shot bufferisation of one kernel. What a block needs between its
    operations lives on the stack, with the tile's largest size; a kernel that
    would need more than 256 KiB of stack is an error.

    Before:
    ```mlir
    %t = bufferization.to_tensor %x restrict : memref<8xf32> to tensor<8xf32>
    ```
    After: loads and stores of %x.
  }];
  let statistics = [
    Statistic<"numStackBuffers", "num-stack-buffers", "buffers on the stack">
  ];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def DistributeThreadsPass : Pass<"hybrid-distribute-threads", "::mlir::func::FuncOp"> {
  let summary = "Distributes a block's work over the threads of a GPU";
  let description = [{
    Each operation of a block by itself: the points of its parallel loops go to
    the block's threads, neighbours to neighbouring threads; where a reduction has few
    results the lanes of a warp share it and add up with shuffles. Behind each operation
    stands a barrier. Norms, attention, scans, convolutions, caches and experts have a form for
    threads of their own (see docs/gpu.md). What a block keeps between its operations lies in
    shared memory; a kernel that needs more of it than the device has is an error. The kernel's
    attributes `hybrid.threads` and `hybrid.shared_bytes` say what a launch has to ask for.

    Before:
    ```mlir
    linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} ins(%x : memref<1024xf32>) outs(%y : memref<1024xf32>) {
    ^bb0(%in: f32, %out: f32):
      %e = math.exp %in : f32
      linalg.yield %e : f32
    }
    ```
    After:
    ```mlir
    %thread = gpu.thread_id x
    scf.for %i = %thread to %c1024 step %c256 {
      %v = memref.load %x[%i] : memref<1024xf32>
      %e = math.exp %v : f32
      memref.store %e, %y[%i] : memref<1024xf32>
    }
    ```
  }];
  let options = [
    Option<"threads", "threads", "int64_t", "256", "threads of a block, whole warps">,
    Option<"maxShared", "max-shared", "int64_t", "101376",
           "bytes of shared memory that a block may have">
  ];
  let statistics = [
    Statistic<"numDistributed", "num-distributed", "operations distributed over threads">,
    Statistic<"numProducts", "num-products", "products of matrices among them with tiles">,
    Statistic<"numBarriers", "num-barriers", "barriers between operations">,
    Statistic<"numShared", "num-shared", "buffers in shared memory">,
    Statistic<"sharedBytes", "shared-bytes", "their sizes added up">
  ];
  let dependentDialects = ["::mlir::gpu::GPUDialect", "::mlir::NVVM::NVVMDialect",
                           "::mlir::scf::SCFDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::math::MathDialect", "::mlir::arith::ArithDialect",
                           "::mlir::affine::AffineDialect", "::mlir::vector::VectorDialect"];
}

def LowerComputationsPass : Pass<"hybrid-lower-computations", "::mlir::func::FuncOp"> {
  let summary = "Turns hybrid computations on memrefs into loops";
  let description = [{
    Attention becomes a streaming softmax over tiles of keys, a scan what its
    form says, the others plain loops. Arithmetic is float32 (float64 for
    float64 operands). The forms of a scan, with the state of one head in place
    or in a stack buffer:
      * sequential: a loop over time, columns of the state in vectors;
      * chunked: contractions on buffers of one chunk, `linalg.generic` that
        `hybrid-vectorize-contractions` takes on; a decay per key channel is
        applied relative to the start of a sub-block of 16 steps, so that every factor is
        a product of decays and nothing overflows;
      * associative: a prefix sum (Brent and Kung's) over the steps of one chunk
        for each key channel.

    Before:
    ```mlir
    hybrid.rope ins(%x, %cos, %sin : memref<1x?x4x16xf32>, memref<1x?x8xf32>, memref<1x?x8xf32>) outs(%o : memref<1x?x4x16xf32>) {layout = #hybrid.layout<bthd>, rotary_dim = 16 : i64}
    ```
    After: `scf.for` loops with `memref.load` and `memref.store`.
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "unsigned", "256", "width of a vector register">
  ];
  let statistics = [
    Statistic<"numLowered", "num-lowered", "computations turned into loops">
  ];
  let dependentDialects = ["::mlir::amx::AMXDialect", "::mlir::scf::SCFDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::math::MathDialect", "::mlir::arith::ArithDialect",
                           "::mlir::affine::AffineDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::vector::VectorDialect"];
}

def VectorizeContractionsPass : Pass<"hybrid-vectorize-contractions", "::mlir::func::FuncOp"> {
  let summary = "Turns contractions on memrefs into register-blocked vector loops";
  let description = [{
    A two-operand contraction whose right operand is contiguous along the output's
    columns keeps a block of rows × columns of the output in vector registers
    over the whole reduction; with 2 to 16 rows (chosen at run time where their number is
    dynamic) it reads the right operand once, four of its rows at a time, for all rows
    of the output, unless the attribute `hybrid.in_cache` says that reading it again
    costs little. One that is contiguous along the reduction on both sides
    computes vector dot products. Others are left to scalar loops, with a remark.

    Before:
    ```mlir
    linalg.generic {indexing_maps = [(m, n, k) -> (m, k), (m, n, k) -> (k, n), (m, n, k) -> (m, n)], …} ins(%a, %b : memref<?x64xf32>, memref<64x128xf32>) outs(%c : memref<?x128xf32>) { mulf, addf }
    ```
    After: `scf.for` over blocks and k, `vector.load`, `vector.fma`, `vector.store`, masked at the edges.
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "unsigned", "256", "width of a vector register">
  ];
  let statistics = [
    Statistic<"numVectorized", "num-vectorized", "contractions in vector form">,
    Statistic<"numScalar", "num-scalar", "contractions left to scalar loops">
  ];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

def FormGridsPass : Pass<"hybrid-form-grids", "::mlir::ModuleOp"> {
  let summary = "Makes kernels functions of one block and gives launches their grid";
  let description = [{
    The kernel's outer `scf.forall` becomes a parameter, the block's number. Its
    trip counts, computed from the kernel's operands, are computed at the launch instead.

    Before:
    ```mlir
    func.func private @k(%x: memref<?x64xf32>) attributes {hybrid.kernel} { … scf.forall (%i) = (0) to (%n) step (8) { … } }
    hybrid.launch @k ins(%a : memref<?x64xf32>)
    ```
    After:
    ```mlir
    func.func private @k(%x: memref<?x64xf32>, %block: index) attributes {hybrid.kernel} { … }
    hybrid.launch @k grid(%blocks) ins(%a : memref<?x64xf32>)
    ```
  }];
  let statistics = [
    Statistic<"numGrids", "num-grids", "kernels with more than one block">
  ];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect"];
}

def MergeLaunchesPass : Pass<"hybrid-merge-launches", "::mlir::ModuleOp"> {
  let summary = "Makes one launch of each group of independent launches";
  let description = [{
    Launches with the same `hybrid.group` (see `hybrid-group-launches`) become one
    whose kernel has the bodies of all; a block's number says to which it belongs.
    The grids of the parts are sizes of the new launch.

    Before:
    ```mlir
    hybrid.launch @a grid(%n) ins(%x : memref<8xf32>) outs(%y : memref<8xf32>) {hybrid.group = 0 : i64}
    hybrid.launch @b grid(%m) ins(%x : memref<8xf32>) outs(%z : memref<8xf32>) {hybrid.group = 0 : i64}
    ```
    After:
    ```mlir
    %all = arith.addi %n, %m : index
    hybrid.launch @group_0 grid(%all) ins(%x, %x : memref<8xf32>, memref<8xf32>) outs(%y, %z : memref<8xf32>, memref<8xf32>) sizes(%n, %m)
    ```
  }];
  let statistics = [
    Statistic<"numMerged", "num-merged", "launches that became part of another">
  ];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect"];
}

def PlanArenaPass : Pass<"hybrid-plan-arena", "::mlir::ModuleOp"> {
  let summary = "Gives every intermediate buffer of an entry a place in the arena";
  let description = [{
    Buffers get offsets at compile time: their size at the capacities of all symbols, their
    life from first to last use, first fit by decreasing size. The arena's size is recorded
    in the module attribute `hybrid.arena_bytes`. An unbounded buffer is an error.

    Before:
    ```mlir
    %b = memref.alloc(%n) : memref<?x64xf32>
    ```
    After:
    ```mlir
    %b = memref.view %arena[%c4096][%n] : memref<?xi8> to memref<?x64xf32>
    ```
  }];
  let statistics = [
    Statistic<"numBuffers", "num-buffers", "buffers placed">,
    Statistic<"unplannedBytes", "unplanned-bytes", "their sizes added up">,
    Statistic<"arenaBytes", "arena-bytes", "the arena's size">
  ];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

#endif // HYBRID_CONVERSION_SCHEDULETOKERNEL_PASSES_TD
