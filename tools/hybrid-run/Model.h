//===- Model.h - the C API, owned and with exceptions -----------*- C++ -*-===//

#ifndef HYBRID_TOOLS_RUN_MODEL_H
#define HYBRID_TOOLS_RUN_MODEL_H

#include "Options.h"
#include "hybrid/Runtime/Npz.h"
#include "hybrid/Runtime/Runtime.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hybrid {

using Json = nlohmann::ordered_json;

/// Throws ToolError with the runtime's message unless `status` is HYBRID_OK.
void check(HybridStatus status);

struct CloseModule {
  void operator()(HybridModule *module) const { hybrid_module_close(module); }
};
struct CloseSession {
  void operator()(HybridSession *session) const {
    hybrid_session_close(session);
  }
};
using ModulePtr = std::unique_ptr<HybridModule, CloseModule>;
using SessionPtr = std::unique_ptr<HybridSession, CloseSession>;

/// The model of the command line; --verify-hashes adds to the flags.
ModulePtr openModule(const Options &options,
                     uint32_t flags = HYBRID_OPEN_DEFAULT);
SessionPtr createSession(HybridModule *module, const Options &options,
                         int64_t batch);
/// Takes up the states of --restore, cut to the tokens of --crop.
void restoreSession(HybridSession *session, const Options &options);

/// What the model declares.
std::vector<HybridValueInfo> inputsOf(const HybridModule *module);
std::vector<HybridValueInfo> outputsOf(const HybridModule *module);
std::vector<HybridStateInfo> statesOf(const HybridModule *module);
std::vector<HybridSymbolInfo> symbolsOf(const HybridModule *module);

/// The inputs of one run: the arrays of an npz file, in the model's dtypes.
class RunInputs {
public:
  RunInputs() = default;
  /// Reads the file; float32 becomes bfloat16 where the model wants that.
  RunInputs(const HybridModule *module, const std::string &path);

  void add(NpyArray array);
  const std::vector<HybridTensor> &tensors();

private:
  std::vector<NpyArray> arrays;
  std::vector<HybridTensor> views;
};

/// "[2, 16]".
std::string shapeText(const HybridTensor &tensor);
/// The dimensions as a JSON array.
Json shapeJson(const HybridTensor &tensor);

/// Milliseconds since some point.
double milliseconds();

/// A copy of a tensor for npz files: bfloat16 becomes float32.
NpyArray toNpy(const HybridTensor &tensor);

} // namespace hybrid

#endif // HYBRID_TOOLS_RUN_MODEL_H
