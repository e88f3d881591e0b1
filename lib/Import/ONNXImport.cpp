//===- ONNXImport.cpp - ONNX file → onnx dialect --------------------------===//

#include "hybrid/Import/ONNXImport.h"
#include "GraphImporter.h"
#include "ImportContext.h"
#include "WireScanner.h"
#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

using namespace mlir;
using namespace hybrid;
using onnx::ONNXDialect;

/// Newest operator set of ai.onnx whose operators the dialect has.
static constexpr int64_t kNewestOpset = 27;

/// Reads the whole file but its weights.
static LogicalResult parseModel(ImportContext &context,
                                hybrid_onnx::Model &model) {
  llvm::Expected<uint64_t> size = context.weights.getFileSize(context.fileName);
  llvm::Expected<ArrayRef<char>> bytes =
      size ? context.weights.get(context.fileName, 0, *size)
           : llvm::Expected<ArrayRef<char>>(size.takeError());
  if (!bytes)
    return context.emitError(context.fileLoc)
           << llvm::toString(bytes.takeError());
  if (bytes->empty())
    return context.emitError(context.fileLoc) << "the file is empty";
  llvm::Expected<std::string> stripped = stripPayloads(*bytes);
  if (!stripped)
    return context.emitError(context.fileLoc)
           << "not a valid ONNX file: " << llvm::toString(stripped.takeError());

  google::protobuf::io::ArrayInputStream array(stripped->data(),
                                               stripped->size());
  google::protobuf::io::CodedInputStream stream(&array);
  stream.SetTotalBytesLimit(INT_MAX);
  if (!model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
    return context.emitError(context.fileLoc)
           << "not a valid ONNX file: the file is truncated or damaged";
  return success();
}

static OpsetMap readOpsets(ImportContext &context,
                           const hybrid_onnx::Model &model) {
  OpsetMap opsets;
  for (const hybrid_onnx::OperatorSet &opset : model.opset_import()) {
    StringRef domain = normalizeDomain(opset.domain());
    if (opset.version() < 1) {
      context.emitError(context.fileLoc)
          << "imports version " << opset.version()
          << " of the operator set of domain '" << opset.domain()
          << "'; versions start at 1";
      continue;
    }
    if (!opsets.try_emplace(domain, opset.version()).second &&
        opsets[domain] != opset.version())
      context.emitError(context.fileLoc)
          << "imports two versions of the operator set of domain '"
          << opset.domain() << "'";
  }
  // Version 1 is meant by files from before there were operator sets.
  if (!opsets.contains("")) {
    if (model.ir_version() < 3)
      opsets[""] = 1;
    else if (llvm::any_of(model.graph().node(), [](const auto &node) {
               return normalizeDomain(node.domain()).empty();
             }))
      context.emitError(context.fileLoc)
          << "imports no operator set of ai.onnx (opset_import)";
  }
  if (opsets.lookup("") > kNewestOpset)
    mlir::emitWarning(context.fileLoc)
        << "operator set " << opsets.lookup("") << " is newer than "
        << kNewestOpset
        << ", the newest one known; operators are taken to mean what they "
           "mean there";
  return opsets;
}

static void setModuleAttributes(ModuleOp module,
                                const hybrid_onnx::Model &model,
                                const OpsetMap &opsets) {
  Builder builder(module.getContext());
  NamedAttrList versions;
  for (const auto &[domain, version] : opsets)
    versions.set(domain.empty() ? StringRef("ai.onnx") : domain,
                 builder.getI64IntegerAttr(version));
  module->setAttr(ONNXDialect::kOpsetsAttr,
                  versions.getDictionary(module.getContext()));
  if (model.has_ir_version())
    module->setAttr(ONNXDialect::kIRVersionAttr,
                    builder.getI64IntegerAttr(model.ir_version()));
  std::string producer = model.producer_name();
  if (!model.producer_version().empty())
    producer += " " + model.producer_version();
  if (!producer.empty())
    module->setAttr(ONNXDialect::kProducerAttr,
                    builder.getStringAttr(producer));
}

OwningOpRef<ModuleOp> hybrid::importONNX(StringRef path, MLIRContext *mlir,
                                         const ImportOptions &options) {
  mlir->loadDialect<ONNXDialect, func::FuncDialect>();
  ImportContext context(path, mlir, options);
  hybrid_onnx::Model model;
  if (failed(parseModel(context, model)))
    return nullptr;
  if (!model.has_graph()) {
    context.emitError(context.fileLoc)
        << "not a valid ONNX file: it has no graph";
    return nullptr;
  }
  OpsetMap opsets = readOpsets(context, model);
  OwningOpRef<ModuleOp> module = ModuleOp::create(context.fileLoc);
  setModuleAttributes(*module, model, opsets);
  GraphImporter importer(context, model, std::move(opsets));
  if (!context.hasErrors())
    importer.importModel(*module);
  if (context.hasErrors() || failed(verify(*module)))
    return nullptr;
  return module;
}
