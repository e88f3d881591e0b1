//===- Pipelines.cpp - one named pipeline per arrow between levels --------===//

#include "hybrid/Compiler/Pipelines.h"

#include "hybrid/Compiler/Compiler.h"
#include "hybrid/Conversion/ONNXToHybrid/Passes.h"
#include "hybrid/Dialect/Hybrid/Transforms/BufferizableOpInterfaceImpl.h"
#include "hybrid/Dialect/Hybrid/Transforms/Passes.h"
#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"
#include "hybrid/Target/CPU/Passes.h"
#include "hybrid/Target/NVPTX/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/Transforms/Passes.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace hybrid {

namespace {
/// A family of decomposed operators, and the pass that raises it: at level 1,
/// behind the conversion to level 2, or when states have their form (3).
struct Family {
  StringRef name;
  std::unique_ptr<Pass> (*create)();
  unsigned level = 1;
};
} // namespace

static constexpr Family kFamilies[] = {
    {"norms", onnx::createONNXRaiseNorms},
    {"rotary", onnx::createONNXRaiseRotary},
    {"convs", onnx::createONNXRaiseConvs},
    {"ssd", onnx::createONNXRaiseSSD},
    {"steps", onnx::createONNXRaiseSteps},
    {"delta", onnx::createONNXRaiseDeltaRule},
    {"loops", onnx::createONNXRaiseLoops},
    {"attention", onnx::createONNXRaiseAttention},
    {"moe", onnx::createONNXRaiseMoE},
    {"gated-norms", createRaiseGatedNormsPass, 2},
    {"masks", createRaiseMasksPass, 2},
    {"branches", createRaiseBranchesPass, 3},
};

ArrayRef<StringRef> getRaisedFamilies() {
  static const SmallVector<StringRef> names = llvm::map_to_vector(
      kFamilies, [](const Family &family) { return family.name; });
  return names;
}

void buildImportPipeline(OpPassManager &pm,
                         const ImportPipelineOptions &options) {
  auto addFamilies = [&](unsigned level) {
    for (const Family &family : kFamilies)
      if (family.level == level &&
          (options.raise.empty() || llvm::is_contained(options.raise, "all") ||
           llvm::is_contained(options.raise, family.name)))
        pm.addNestedPass<func::FuncOp>(family.create());
  };
  // Without states the pass still tells what the dimensions are.
  onnx::ONNXBindStatesOptions bind;
  bind.pairs = llvm::to_vector(options.statePairs);
  bind.none = !options.states;
  pm.addPass(onnx::createONNXBindStates(bind));
  pm.addPass(onnx::createONNXSpecializeEntries());
  pm.addNestedPass<func::FuncOp>(onnx::createONNXInferShapes());
  addFamilies(1);
  ConvertONNXToHybridPassOptions convert;
  convert.maxBatch = options.maxBatch;
  convert.maxSeq = options.maxSeq;
  convert.maxContext = options.maxContext;
  convert.dims = llvm::to_vector(options.dims);
  pm.addPass(createConvertONNXToHybridPass(convert));
  pm.addPass(createCSEPass());
  addFamilies(2);
  pm.addPass(createPerSequencePositionsPass());
  pm.addPass(createCSEPass());
  pm.addPass(createWindowRingsPass());
  pm.addPass(createCSEPass());
  addFamilies(3);
}

void buildSchedulePipeline(OpPassManager &pm,
                           const SchedulePipelineOptions &options) {
  ChooseBranchFormsPassOptions branches;
  branches.form = options.branchForm;
  pm.addNestedPass<func::FuncOp>(createChooseBranchFormsPass(branches));
  pm.addNestedPass<func::FuncOp>(createMergeProjectionsPass());
  pm.addNestedPass<func::FuncOp>(createLowerParallelPass());
  pm.addPass(createTrimOutputsPass());
  ChooseScanFormsPassOptions scans;
  scans.form = options.scanForm;
  scans.chunk = options.scanChunk;
  pm.addNestedPass<func::FuncOp>(createChooseScanFormsPass(scans));
  pm.addNestedPass<func::FuncOp>(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addNestedPass<func::FuncOp>(createFoldDataMovementPass());
  pm.addNestedPass<func::FuncOp>(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addNestedPass<func::FuncOp>(createFuseElementwisePass());
  pm.addPass(createCSEPass());
  if (options.panel > 0) {
    PackWeightsPassOptions pack;
    pack.panel = options.panel;
    pack.quantize = options.quantize;
    pm.addPass(createPackWeightsPass(pack));
  }
  pm.addNestedPass<func::FuncOp>(createExpandWeightsPass());
  if (options.packRows) {
    pm.addPass(createPackRowsPass());
    pm.addPass(createCSEPass());
  }
  pm.addPass(createFormKernelsPass());
  pm.addPass(createCSEPass());
  pm.addPass(createGroupLaunchesPass());
}

void buildKernelPipeline(OpPassManager &pm,
                         const KernelPipelineOptions &options) {
  pm.addPass(createBufferizeEntriesPass());
  pm.addPass(createSpecializeKernelsPass());
  OpPassManager &kernels = pm.nest<func::FuncOp>();
  kernels.addPass(createTileToGridPass());
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  kernels.addPass(createBufferizeKernelsPass());
  LowerComputationsPassOptions computations;
  computations.vectorBits = options.vectorBits;
  kernels.addPass(createLowerComputationsPass(computations));
  VectorizeContractionsPassOptions vectorize;
  vectorize.vectorBits = options.vectorBits;
  kernels.addPass(createVectorizeContractionsPass(vectorize));
  kernels.addPass(createConvertLinalgToLoopsPass());
  pm.addPass(createFormGridsPass());
  pm.addPass(createMergeLaunchesPass());
  pm.addPass(createPlanArenaPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void buildDeviceKernelPipeline(OpPassManager &pm,
                               const DeviceKernelPipelineOptions &options) {
  pm.addPass(createBufferizeEntriesPass());
  pm.addPass(createMoveConstantsPass());
  pm.addPass(createSpecializeKernelsPass());
  pm.addPass(createSeparateDecodePass());
  OpPassManager &kernels = pm.nest<func::FuncOp>();
  TileToGridPassOptions tile;
  tile.forDevice = true;
  kernels.addPass(createTileToGridPass(tile));
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  kernels.addPass(createBufferizeKernelsPass());
  DistributeThreadsPassOptions distribute;
  distribute.maxShared = options.maxShared;
  kernels.addPass(createDistributeThreadsPass(distribute));
  pm.addPass(createFormGridsPass());
  pm.addPass(createMergeLaunchesPass());
  pm.addPass(createPlanArenaPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

/// From loops and functions with the ABI's signatures to the LLVM dialect.
/// Branches of a CPU's code carry tiles of matrix units.
static void addConversionsToLLVM(OpPassManager &pm, bool hasTiles) {
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  ConvertToLLVMPassOptions branches;
  branches.filterDialects = {"amx", "cf"};
  pm.addPass(hasTiles ? createConvertToLLVMPass(branches)
                      : createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createCanonicalizerPass());
}

void buildLLVMPipeline(OpPassManager &pm) {
  OpPassManager &functions = pm.nest<func::FuncOp>();
  functions.addPass(createExpandMathPass());
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  // Only conversions of bf16 become integer arithmetic; other operations, like
  // those from and to integers, would call the compiler's library.
  arith::ArithEmulateUnsupportedFloatsOptions emulate;
  emulate.sourceTypeStrs = {"bf16"};
  emulate.targetTypeStr = "f32";
  pm.addPass(createLowerToAbiPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(arith::createArithEmulateUnsupportedFloats(emulate));
  pm.addPass(arith::createArithExpandOpsPass(expand));
  addConversionsToLLVM(pm, /*hasTiles=*/true);
}

void buildDeviceLLVMPipeline(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createExpandDeviceMathPass());
  LowerToAbiPassOptions abi;
  abi.forDevice = true;
  pm.addPass(createLowerToAbiPass(abi));
  pm.addPass(createOutlineDevicePass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(arith::createArithExpandOpsPass());
  OpPassManager &device = pm.nest<ModuleOp>();
  device.addPass(createLowerDeviceOpsPass());
  addConversionsToLLVM(device, /*hasTiles=*/false);
  addConversionsToLLVM(pm, /*hasTiles=*/false);
}

void registerAllDialects(DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllToLLVMIRTranslations(registry);
  registry.insert<HybridDialect, onnx::ONNXDialect>();
  registerBufferizableOpInterfaceExternalModels(registry);
}

void registerAllPasses() {
  registerHybridONNXToHybridPasses();
  onnx::registerONNXPasses();
  registerHybridPasses();
  registerHybridSchedulePasses();
  registerHybridScheduleToKernelPasses();
  registerHybridCPUPasses();
  registerHybridNVPTXPasses();
  PassPipelineRegistration<ImportPipelineOptions>(
      "hybrid-import-pipeline", "onnx to hybrid (level 1 to 2)",
      buildImportPipeline);
  PassPipelineRegistration<SchedulePipelineOptions>(
      "hybrid-schedule-pipeline", "hybrid to kernels (level 2 to 3)",
      buildSchedulePipeline);
  PassPipelineRegistration<KernelPipelineOptions>(
      "hybrid-kernel-pipeline", "kernels on tensors to loops (level 3 to 4)",
      buildKernelPipeline);
  PassPipelineRegistration<>("hybrid-llvm-pipeline",
                             "loops to the LLVM dialect (level 4 to 5)",
                             buildLLVMPipeline);
  PassPipelineRegistration<DeviceKernelPipelineOptions>(
      "hybrid-device-kernel-pipeline",
      "kernels on tensors to the threads of a GPU (level 3 to 4)",
      buildDeviceKernelPipeline);
  PassPipelineRegistration<>(
      "hybrid-device-llvm-pipeline",
      "a GPU's kernels and the host program to the LLVM dialect (level 4 to 5)",
      buildDeviceLLVMPipeline);
}

} // namespace hybrid
