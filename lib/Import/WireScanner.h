//===- WireScanner.h - Take the weights out of an ONNX file -----*- C++ -*-===//

#ifndef HYBRID_LIB_IMPORT_WIRESCANNER_H
#define HYBRID_LIB_IMPORT_WIRESCANNER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace hybrid {

/// Copies the serialised model `bytes` without what the importer doesn't read,
/// and with the payloads of tensors replaced by their places in the file
/// (payload_offset and payload_length in onnx_wire.proto). The copy is what is
/// then parsed: its size follows the graph, not the weights.
///
/// Checks the wire format on the way: lengths stay inside their message, and
/// messages nest no deeper than the parser allows. Errors say at which byte and
/// in which part of the file.
llvm::Expected<std::string> stripPayloads(llvm::ArrayRef<char> bytes);

} // namespace hybrid

#endif // HYBRID_LIB_IMPORT_WIRESCANNER_H
