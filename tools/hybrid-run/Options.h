//===- Options.h - command line of hybrid-run -------------------*- C++ -*-===//

#ifndef HYBRID_TOOLS_RUN_OPTIONS_H
#define HYBRID_TOOLS_RUN_OPTIONS_H

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace hybrid {

/// Something failed: exit code 1.
class ToolError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// The command line is wrong: exit code 2.
class UsageError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

struct Options {
  std::string model;
  std::vector<std::string> inputs;  ///< npz files, one per run
  std::vector<std::string> compare; ///< npz files, one per run, or none
  std::string outputs;              ///< directory; empty: write nothing
  std::string device;               ///< empty: what the model is compiled for
  std::string restore, snapshot;    ///< files; empty: none
  int64_t crop = -1; ///< tokens of the restored session to keep; -1: all
  bool states = false, inspect = false, bench = false, perKernel = false;
  bool lastOnly = false; ///< logits of each run's last position only
  bool json = false, verifyHashes = false, help = false, version = false;
  double rtol = 1e-3, atol = 1e-4;
  int64_t threads = 0, batch = 0;
  int64_t promptLength = -1, decodeSteps = -1; ///< -1: chosen from capacities
  int64_t repeat = 5, seed = 0;
  std::map<std::string, int64_t> dims; ///< sizes of symbols for --bench

  // Generating.
  std::optional<std::string> prompt, promptIds;
  std::string promptFile, tokenizer, config; ///< paths; empty: not given
  std::vector<std::string> stop;
  int64_t maxTokens = -1, topK = -1, prefillChunk = 0; ///< -1: not given
  std::optional<double> temperature, topP, repetitionPenalty;
  bool ignoreEos = false, echo = false;

  bool generates() const { return prompt || promptIds || !promptFile.empty(); }

  // Serving.
  int64_t port = -1;                               ///< -1: no server
  std::string host;                                ///< empty: not given
  int64_t slots = 0, queue = -1, prefixSlots = -1; ///< 0, -1: not given
  int64_t maxBody = 0, maxTokensLimit = 0;         ///< 0: not given
};

/// Throws UsageError.
Options parseOptions(int argc, char **argv);

extern const char helpText[];

} // namespace hybrid

#endif // HYBRID_TOOLS_RUN_OPTIONS_H
