//===- Pipelines.h - one named pipeline per arrow between levels -*- C++ -*-===//

#ifndef HYBRID_COMPILER_PIPELINES_H
#define HYBRID_COMPILER_PIPELINES_H

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

#include <string>

namespace hybrid {

/// Level 1 to level 2.
struct ImportPipelineOptions
    : mlir::PassPipelineOptions<ImportPipelineOptions> {
  Option<bool> states{*this, "states",
                      llvm::cl::desc("Bind past/present pairs to states"),
                      llvm::cl::init(true)};
  ListOption<std::string> statePairs{
      *this, "state-pairs", llvm::cl::desc("Pairs input:output to bind instead "
                                           "of those recognised by name")};
  Option<int64_t> maxBatch{*this, "max-batch",
                           llvm::cl::desc("Capacity of the batch dimension"),
                           llvm::cl::init(8)};
  Option<int64_t> maxSeq{*this, "max-seq",
                         llvm::cl::desc("Most tokens of one call"),
                         llvm::cl::init(2048)};
  Option<int64_t> maxContext{*this, "max-context",
                             llvm::cl::desc("Most tokens of a session"),
                             llvm::cl::init(4096)};
  ListOption<std::string> dims{
      *this, "dim",
      llvm::cl::desc("Capacities of other dimensions, name:capacity")};
  ListOption<std::string> raise{
      *this, "raise",
      llvm::cl::desc("What to raise: all (default), none, or families of "
                     "docs/raising.md")};
};
void buildImportPipeline(mlir::OpPassManager &pm,
                         const ImportPipelineOptions &options);

/// Level 2 to level 3.
struct SchedulePipelineOptions
    : mlir::PassPipelineOptions<SchedulePipelineOptions> {
  Option<std::string> branchForm{
      *this, "branch-form",
      llvm::cl::desc("Form of branches: auto, sequential, merged or parallel"),
      llvm::cl::init("auto")};
  Option<std::string> scanForm{
      *this, "scan-form",
      llvm::cl::desc("Form of scans: auto, sequential, chunked or associative"),
      llvm::cl::init("auto")};
  Option<int64_t> scanChunk{
      *this, "scan-chunk",
      llvm::cl::desc("Steps of a scan's chunk (0: the cheapest)"),
      llvm::cl::init(0)};
  Option<int64_t> panel{
      *this, "panel",
      llvm::cl::desc("Columns of weights that are stored together (0: weights "
                     "stay as they are)"),
      llvm::cl::init(32)};
  Option<std::string> quantize{
      *this, "quantize",
      llvm::cl::desc("What weights that are multiplied become: none, q8 or q4"),
      llvm::cl::init("none")};
  Option<bool> packRows{
      *this, "pack-rows",
      llvm::cl::desc("Whether products run on matrix units (AMX)"),
      llvm::cl::init(false)};
};
void buildSchedulePipeline(mlir::OpPassManager &pm,
                           const SchedulePipelineOptions &options);

/// Level 3 to level 4.
struct KernelPipelineOptions
    : mlir::PassPipelineOptions<KernelPipelineOptions> {
  Option<unsigned> vectorBits{*this, "vector-bits",
                              llvm::cl::desc("Width of a vector register"),
                              llvm::cl::init(256)};
};
void buildKernelPipeline(mlir::OpPassManager &pm,
                         const KernelPipelineOptions &options);

/// Level 4 to the LLVM dialect.
void buildLLVMPipeline(mlir::OpPassManager &pm);

/// Level 3 to level 4 for GPUs.
struct DeviceKernelPipelineOptions
    : mlir::PassPipelineOptions<DeviceKernelPipelineOptions> {
  Option<int64_t> maxShared{
      *this, "max-shared",
      llvm::cl::desc("Bytes of shared memory that a block may have"),
      llvm::cl::init(99 << 10)};
};
void buildDeviceKernelPipeline(mlir::OpPassManager &pm,
                               const DeviceKernelPipelineOptions &options);

/// Level 4 for GPUs to the LLVM dialect; the nested module @device has the
/// kernels.
void buildDeviceLLVMPipeline(mlir::OpPassManager &pm);

/// All dialects, interfaces and translations that any level needs.
void registerAllDialects(mlir::DialectRegistry &registry);
/// Our passes and the pipelines above: hybrid-import-pipeline,
/// hybrid-schedule-pipeline, hybrid-kernel-pipeline, hybrid-llvm-pipeline,
/// hybrid-device-kernel-pipeline, hybrid-device-llvm-pipeline.
void registerAllPasses();

} // namespace hybrid

#endif // HYBRID_COMPILER_PIPELINES_H
