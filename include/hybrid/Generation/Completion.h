//===- Completion.h - one text being generated ------------------*- C++ -*-===//
//
// What happens to a sequence between two runs of the model, wherever these
// runs come from (hybrid-run, a server): choose a token, turn it into text,
// decide whether to stop.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_GENERATION_COMPLETION_H
#define HYBRID_GENERATION_COMPLETION_H

#include "hybrid/Generation/Sampler.h"
#include "hybrid/Generation/Tokenizer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace hybrid {

enum class StopReason {
  None,      ///< still going
  Eos,       ///< an end token came; it is in ids(), not in the text
  Length,    ///< as many tokens as wanted
  StopText,  ///< a stop text came; the text ends before it
  Capacity,  ///< the model's capacity is used up
  Cancelled, ///< by the caller
};

/// "eos", "length", "stop", "capacity", "cancelled"; "" for None.
const char *stopReasonName(StopReason reason);

struct CompletionOptions {
  SamplingParameters sampling;
  int64_t maxTokens = 128;
  std::vector<int64_t> eos;
  std::vector<std::string> stop; ///< not empty texts; need a tokenizer
};

class Completion {
public:
  /// `tokenizer` may be null: then there is no text. It must live longer.
  Completion(const CompletionOptions &options,
             const std::vector<int64_t> &prompt, const Tokenizer *tokenizer);

  /// Takes the logits after the sequence's last token and chooses the next, to
  /// be had by ids().back(). Returns the text that is certain now: whole UTF-8
  /// characters that cannot be the start of a stop text. The next token must be
  /// run only if !done(). Throws like Sampler::next.
  std::string step(const LogitsRow &logits);

  /// Ends for a reason of the caller's; returns the text held back.
  std::string stop(StopReason reason);

  bool done() const { return reason != StopReason::None; }
  StopReason stopReason() const { return reason; }
  /// The tokens generated so far.
  const std::vector<int64_t> &ids() const { return generated; }
  /// All text returned so far.
  const std::string &text() const { return whole; }

private:
  std::string release(const std::string &fresh, bool last);

  CompletionOptions options;
  Sampler sampler;
  std::unique_ptr<TextDecoder> decoder;
  std::vector<int64_t> generated;
  std::string whole, held;
  StopReason reason = StopReason::None;
};

} // namespace hybrid

#endif // HYBRID_GENERATION_COMPLETION_H
