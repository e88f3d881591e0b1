//===- GenerationConfig.h - what files beside a model say -------*- C++ -*-===//

#ifndef HYBRID_GENERATION_GENERATIONCONFIG_H
#define HYBRID_GENERATION_GENERATIONCONFIG_H

#include "hybrid/Generation/Sampler.h"
#include "hybrid/Generation/Tokenizer.h"

#include <optional>
#include <string>
#include <vector>

namespace hybrid {

/// End tokens and default sampling of a model.
struct GenerationConfig {
  /// Generation stops at each of these.
  std::vector<int64_t> eos;
  std::optional<int64_t> bos;
  /// The files' defaults; what no file says is as in SamplingParameters.
  SamplingParameters sampling;
  /// The files that were read.
  std::vector<std::string> files;
  /// tokenizer.json in the directory; empty: there is none.
  std::string tokenizer;

  /// Reads genai_config.json, generation_config.json, config.json and
  /// tokenizer_config.json in a directory, each at most 64 MiB. An earlier one
  /// of these takes precedence, value by value; files that are not there are
  /// skipped. Throws GenerationError on files that cannot be read or parsed
  /// and on values of the wrong type or out of range.
  static GenerationConfig read(const std::string &directory);

  /// If no file gave ids of end tokens: those that tokenizer_config.json names,
  /// where the tokenizer has them.
  void resolve(const Tokenizer &tokenizer);

private:
  std::string eosToken, bosToken;

  friend class ConfigReader;
};

/// The directory of a file: "." if its path has none.
std::string directoryOf(const std::string &path);

} // namespace hybrid

#endif // HYBRID_GENERATION_GENERATIONCONFIG_H
