//===- BufferizableOpInterfaceImpl.h - from tensors to memrefs ---*- C++
//-*-===//

#ifndef HYBRID_DIALECT_HYBRID_TRANSFORMS_BUFFERIZABLEOPINTERFACEIMPL_H
#define HYBRID_DIALECT_HYBRID_TRANSFORMS_BUFFERIZABLEOPINTERFACEIMPL_H

namespace mlir {
class DialectRegistry;
}

namespace hybrid {

/// Makes One-Shot Bufferize handle the computations and hybrid.launch. Each
/// result takes its destination's buffer; destinations count as read only where
/// readsDestination says so, so that no copies appear for the others.
void registerBufferizableOpInterfaceExternalModels(
    mlir::DialectRegistry &registry);

} // namespace hybrid

#endif // HYBRID_DIALECT_HYBRID_TRANSFORMS_BUFFERIZABLEOPINTERFACEIMPL_H
