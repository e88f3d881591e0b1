//===- Sampler.h - chooses the next token -----------------------*- C++ -*-===//
//
// From the logits of one position: repetition penalty, then either the largest
// or, in this order, temperature, top-k, top-p and a draw. The definitions are
// those of Hugging Face transformers.
//
// Given equal logits, the choice depends on the parameters, the tokens seen,
// the seed and the number of the draw only: probabilities are integers (2^40
// for the most probable token), whose sums do not depend on their order, and
// draw k of a seed is a fixed 64-bit number.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_GENERATION_SAMPLER_H
#define HYBRID_GENERATION_SAMPLER_H

#include "hybrid/Runtime/Runtime.h"

#include <cstdint>
#include <unordered_set>
#include <vector>

namespace hybrid {

struct SamplingParameters {
  /// Draw; else take the token with the largest logit, the first of equals.
  bool sample = false;
  /// > 0. Logits are divided by it.
  double temperature = 1;
  /// Draw among the so many most probable tokens; 0: all.
  int64_t topK = 0;
  /// In (0, 1]: draw among the fewest most probable tokens whose probabilities
  /// sum up to at least this.
  double topP = 1;
  /// > 0; 1: none. Logits of tokens seen before (in prompt and text) are
  /// divided by it if positive, else multiplied.
  double repetitionPenalty = 1;
  uint64_t seed = 0;

  /// Throws GenerationError naming the parameter that is out of its range.
  void check() const;
};

/// The logits of one position, dense, one per token of the vocabulary.
struct LogitsRow {
  HybridDtype dtype; ///< float32, float16, bfloat16 or float64
  const void *data;
  size_t count;
};

/// Draw number `index` of a seed, uniform in [0, 2^64).
uint64_t randomBits(uint64_t seed, uint64_t index);

/// The sampler of one sequence.
class Sampler {
public:
  /// Checks the parameters.
  explicit Sampler(const SamplingParameters &parameters);

  /// Tokens that the sequence holds already (the prompt), for the repetition
  /// penalty.
  void see(const std::vector<int64_t> &ids);

  /// Chooses the next token, which counts as seen from now on. O(count) time.
  /// Throws GenerationError if a logit is NaN or +infinity, or all are
  /// -infinity, and changes nothing then.
  int64_t next(const LogitsRow &logits);

  /// What next() draws from: the integer weights of all tokens, 0 for those
  /// that are excluded. For a greedy sampler one token has all the weight.
  std::vector<uint64_t> weights(const LogitsRow &logits);

private:
  void load(const LogitsRow &logits);
  void penalise();
  size_t largest() const;
  void keepTopK();
  void weigh(double best);
  void keepTopP();
  size_t draw() const;

  SamplingParameters parameters;
  std::unordered_set<int64_t> seen;
  uint64_t draws = 0;
  // Scratch of one choice.
  std::vector<double> scores;
  std::vector<uint64_t> mass;
  std::vector<uint32_t> candidates;
};

} // namespace hybrid

#endif // HYBRID_GENERATION_SAMPLER_H
