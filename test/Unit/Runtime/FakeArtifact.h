//===- FakeArtifact.h - artifacts for tests ---------------------*- C++ -*-===//

#ifndef HYBRID_TEST_RUNTIME_FAKEARTIFACT_H
#define HYBRID_TEST_RUNTIME_FAKEARTIFACT_H

#include "hybrid/Runtime/Artifact.h"
#include "hybrid/Runtime/Npz.h"
#include "hybrid/Runtime/Runtime.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hybrid::test {

using Json = nlohmann::ordered_json;

/// A path in a directory of this process, removed at exit.
std::string temporaryPath(const std::string &name);

std::string readText(const std::string &path);
void writeText(const std::string &path, const std::string &text);
bool exists(const std::string &path);

/// FakeModel.c, compiled to a shared object.
const std::string &fakeElf();

/// Manifests of the models in FakeModel.c.
Json languageModel();
Json statelessModel(const std::string &dtype);
Json widePositionsModel();
Json ownPositionsModel();
Json greedyModel();
/// The same with logits [batch, seq - from, 7].
Json trimmedModel();

/// 64 weights, i + 0.5 each.
std::vector<WeightChunk> fakeWeights();
constexpr uint64_t fakeWeightsBytes = 256;

/// Writes an artifact and returns its path; fails the test when it cannot.
std::string makeArtifact(const std::string &name, const Json &manifest);

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

/// Null on failure; the message is hybrid_last_error().
ModulePtr open(const std::string &path, uint32_t flags = 0);
SessionPtr newSession(HybridModule *module, int threads = 1, int64_t batch = 0);

/// The status of opening; the message is hybrid_last_error().
HybridStatus openStatus(const std::string &path, uint32_t flags = 0);

/// An input that points at `data`.
HybridTensor tensor(const char *name, HybridDtype dtype,
                    const std::vector<int64_t> &dims, const void *data);

/// An output to be had in the runtime's memory.
HybridTensor wanted(const char *name);

/// Runs `ids`, as many for each of the sequences; "logits" in the runtime's
/// memory.
HybridStatus runIds(HybridSession *session,
                    const std::vector<int64_t> &sequences,
                    const std::vector<int64_t> &ids, HybridTensor &logits);

/// Whether the last error contains all these texts; prints it if not.
bool errorSays(const std::vector<std::string> &texts);

} // namespace hybrid::test

#endif // HYBRID_TEST_RUNTIME_FAKEARTIFACT_H
