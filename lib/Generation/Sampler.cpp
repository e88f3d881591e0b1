//===- Sampler.cpp - chooses the next token -------------------------------===//

#include "hybrid/Generation/Sampler.h"

#include "hybrid/Generation/Error.h"
#include "hybrid/Runtime/Numbers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace hybrid;

/// Bits of the largest weight. With at most 2^22 tokens the sum fits 62 bits.
static constexpr int weightBits = 40;
static constexpr size_t maxVocabulary = size_t(1) << 22;

void SamplingParameters::check() const {
  const auto refuse = [](const char *name, const char *range, double value) {
    throw GenerationError(std::string(name) + " must be " + range + ", not " +
                          std::to_string(value));
  };
  if (!(temperature > 0) || !std::isfinite(temperature))
    refuse("temperature", "a number greater than 0", temperature);
  if (topK < 0)
    refuse("top_k", "0 (all tokens) or more", double(topK));
  if (!(topP > 0 && topP <= 1))
    refuse("top_p", "greater than 0 and at most 1", topP);
  if (!(repetitionPenalty > 0) || !std::isfinite(repetitionPenalty))
    refuse("repetition_penalty", "a number greater than 0", repetitionPenalty);
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable
/// Pseudorandom Number Generators, 2014).
static uint64_t mix(uint64_t z) {
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/// SplitMix64 from a start of its own for each seed, so that neighbouring seeds
/// do not give shifted sequences.
uint64_t hybrid::randomBits(uint64_t seed, uint64_t index) {
  const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);
  return mix(mix(seed + golden) + (index + 1) * golden);
}

Sampler::Sampler(const SamplingParameters &parameters)
    : parameters(parameters) {
  parameters.check();
}

void Sampler::see(const std::vector<int64_t> &ids) {
  if (parameters.repetitionPenalty != 1)
    seen.insert(ids.begin(), ids.end());
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

template <typename T, typename Convert>
static void convertRow(const LogitsRow &logits, double *scores,
                       Convert convert) {
  for (size_t i = 0; i < logits.count; ++i)
    scores[i] = convert(loadAs<T>(logits.data, i));
}

void Sampler::load(const LogitsRow &logits) {
  if (!logits.count || logits.count > maxVocabulary)
    throw GenerationError("the model has logits of " +
                          std::to_string(logits.count) +
                          " tokens; 1 to 4194304 can be sampled");
  scores.resize(logits.count);
  const auto widen = [](auto value) { return double(value); };
  switch (logits.dtype) {
  case HYBRID_FLOAT32:
    convertRow<float>(logits, scores.data(), widen);
    break;
  case HYBRID_FLOAT64:
    convertRow<double>(logits, scores.data(), widen);
    break;
  case HYBRID_FLOAT16:
    convertRow<uint16_t>(logits, scores.data(), float16ToDouble);
    break;
  case HYBRID_BFLOAT16:
    convertRow<uint16_t>(logits, scores.data(), bfloat16ToFloat);
    break;
  default:
    throw GenerationError(
        std::string("the logits are ") + hybrid_dtype_name(logits.dtype) +
        "; float32, float16, bfloat16 and float64 can be sampled");
  }
}

void Sampler::penalise() {
  const double penalty = parameters.repetitionPenalty;
  if (penalty == 1)
    return;
  for (const int64_t id : seen) {
    if (id < 0 || size_t(id) >= scores.size())
      continue;
    double &score = scores[size_t(id)];
    score = score > 0 ? score / penalty : score * penalty;
  }
}

/// The first of the largest scores. Checks all of them.
size_t Sampler::largest() const {
  size_t best = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i]) || scores[i] == INFINITY)
      throw GenerationError(
          "the model gave the token " + std::to_string(i) + " the logit " +
          (std::isnan(scores[i]) ? "NaN" : "+infinity") +
          ": its computation has failed or overflowed, nothing can be chosen");
    if (scores[i] > scores[best])
      best = i;
  }
  if (scores[best] == -INFINITY)
    throw GenerationError(
        "the model gave all tokens the logit -infinity: nothing can be chosen");
  return best;
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// Sets `candidates` to the tokens of the largest scores, the first of equals.
void Sampler::keepTopK() {
  candidates.resize(scores.size());
  std::iota(candidates.begin(), candidates.end(), uint32_t(0));
  const auto keep = size_t(parameters.topK);
  if (!keep || keep >= candidates.size())
    return;
  const auto before = [this](uint32_t a, uint32_t b) {
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
  };
  std::nth_element(candidates.begin(), candidates.begin() + keep,
                   candidates.end(), before);
  candidates.resize(keep);
}

/// Sets `mass` to the candidates' weights: 2^weightBits for the best.
void Sampler::weigh(double best) {
  const double unit = std::ldexp(1.0, weightBits);
  mass.assign(scores.size(), 0);
  for (const uint32_t id : candidates)
    mass[id] =
        uint64_t(std::exp((scores[id] - best) / parameters.temperature) * unit);
}

/// Keeps the fewest candidates with the largest weights that have the wanted
/// share together. Halves the range in which the last of them is, so that the
/// time is linear.
void Sampler::keepTopP() {
  if (parameters.topP == 1)
    return;
  uint64_t total = 0;
  for (const uint32_t id : candidates)
    total += mass[id];
  const uint64_t wanted =
      std::min(total, uint64_t(std::ceil(parameters.topP * double(total))));
  // Those of at most this weight have too little together to be needed.
  const uint64_t negligible = (total - wanted) / candidates.size();
  const auto end =
      std::partition(candidates.begin(), candidates.end(),
                     [&](uint32_t id) { return mass[id] > negligible; });
  for (auto it = end; it != candidates.end(); ++it)
    mass[*it] = 0;
  candidates.erase(end, candidates.end());
  const auto before = [this](uint32_t a, uint32_t b) {
    return mass[a] > mass[b] || (mass[a] == mass[b] && a < b);
  };
  // The candidates before `first` are kept and have `sum` together; the last
  // one to keep is in [first, last).
  size_t first = 0, last = candidates.size();
  uint64_t sum = 0;
  while (last - first > 1) {
    const size_t middle = first + (last - first) / 2;
    std::nth_element(candidates.begin() + first, candidates.begin() + middle,
                     candidates.begin() + last, before);
    uint64_t half = 0;
    for (size_t i = first; i < middle; ++i)
      half += mass[candidates[i]];
    if (sum + half >= wanted) {
      last = middle;
      continue;
    }
    sum += half;
    first = middle;
  }
  for (size_t i = last; i < candidates.size(); ++i)
    mass[candidates[i]] = 0;
  candidates.resize(last);
}

//===----------------------------------------------------------------------===//
// Choosing
//===----------------------------------------------------------------------===//

size_t Sampler::draw() const {
  uint64_t total = 0;
  for (const uint64_t weight : mass)
    total += weight;
  // Scales 64 random bits to [0, total): no token's probability is off by more
  // than 2^-63.
  const auto product =
      static_cast<unsigned __int128>(randomBits(parameters.seed, draws)) *
      total;
  auto at = uint64_t(product >> 64);
  size_t id = 0;
  while (at >= mass[id])
    at -= mass[id++];
  return id;
}

std::vector<uint64_t> Sampler::weights(const LogitsRow &logits) {
  load(logits);
  penalise();
  const size_t best = largest();
  if (parameters.sample) {
    keepTopK();
    weigh(scores[best]);
    keepTopP();
  } else {
    mass.assign(scores.size(), 0);
    mass[best] = UINT64_C(1) << weightBits;
  }
  return mass;
}

int64_t Sampler::next(const LogitsRow &logits) {
  load(logits);
  penalise();
  size_t id = largest();
  if (parameters.sample) {
    keepTopK();
    weigh(scores[id]);
    keepTopP();
    id = draw();
    ++draws;
  }
  if (parameters.repetitionPenalty != 1)
    seen.insert(int64_t(id));
  return int64_t(id);
}
