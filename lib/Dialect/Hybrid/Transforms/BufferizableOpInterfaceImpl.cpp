//===- BufferizableOpInterfaceImpl.cpp - from tensors to memrefs ----------===//
//
// One model for everything in destination style: tensor operands become their
// buffers, results the buffers of their destinations. Buffers of any layout are
// taken as they are.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/Transforms/BufferizableOpInterfaceImpl.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace hybrid;

namespace {
template <typename OpTy>
struct DestinationModel
    : DstBufferizableOpInterfaceExternalModel<DestinationModel<OpTy>, OpTy> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand,
                              const AnalysisState &) const {
    bool isInit = cast<DestinationStyleOpInterface>(op).isDpsInit(&operand);
    return !isInit || readsDestination(op, operand);
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    SmallVector<Value> operands, results;
    for (OpOperand &operand : op->getOpOperands()) {
      Value value = operand.get();
      if (isa<TensorType>(value.getType())) {
        FailureOr<Value> buffer = getBuffer(rewriter, value, options, state);
        if (failed(buffer))
          return failure();
        value = *buffer;
      }
      operands.push_back(value);
    }
    auto destination = cast<DestinationStyleOpInterface>(op);
    for (OpResult result : op->getResults())
      results.push_back(
          operands[destination.getTiedOpOperand(result)->getOperandNumber()]);
    rewriter.setInsertionPoint(op);
    mlir::clone(rewriter, op, /*newResultTypes=*/TypeRange(), operands);
    replaceOpWithBufferizedValues(rewriter, op, results);
    return success();
  }
};

template <typename... OpTys>
void attachModels(MLIRContext *context) {
  (OpTys::template attachInterface<DestinationModel<OpTys>>(*context), ...);
}
} // namespace

void hybrid::registerBufferizableOpInterfaceExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, HybridDialect *) {
    context->loadDialect<BufferizationDialect>();
    attachModels<AttentionOp, ScanOp, CausalConvOp, RopeOp, NormOp, GatedNormOp,
                 CacheAppendOp, RingReadOp, CumSumOp, RouteOp, ExpertMatMulOp,
                 PackRowsOp, MatmulOp, LaunchOp>(context);
  });
}
