//===- LanguageModel.h - modules that continue token sequences --*- C++ -*-===//

#ifndef HYBRID_GENERATION_LANGUAGEMODEL_H
#define HYBRID_GENERATION_LANGUAGEMODEL_H

#include "hybrid/Generation/Sampler.h"
#include "hybrid/Runtime/Runtime.h"

#include <cstdint>
#include <string>
#include <vector>

namespace hybrid {

/// Which input of a module takes tokens, which output gives logits, and the
/// capacities.
class LanguageModel {
public:
  /// Throws GenerationError saying why the module is not a language model that
  /// can generate: no or several token inputs, other inputs that have to be
  /// given, no logits [batch, seq, vocabulary] (the output "logits", else the
  /// only floating-point output of rank 3).
  explicit LanguageModel(HybridModule *module);

  HybridModule *module() const { return handle; }
  /// Without states the whole sequence is computed again for each token.
  bool hasStates() const { return states; }
  /// Tokens may have the ids 0 to vocabulary() - 1.
  int64_t vocabulary() const { return ids; }
  /// Sequences of one call and of a session.
  int64_t batchCapacity() const { return batch; }
  /// Tokens of one call.
  int64_t callCapacity() const { return call; }
  /// Tokens of a sequence; INT64_MAX if unlimited.
  int64_t contextCapacity() const { return context; }

  /// Throws GenerationError naming the first id that the model does not take.
  void checkIds(const std::vector<int64_t> &ids) const;

private:
  friend class TokenSession;

  void findTokens();
  void findLogits();
  void findCapacities();
  int64_t capacityOf(const char *dim) const;

  HybridModule *handle;
  HybridValueInfo tokens = {}, logits = {};
  bool states = false;
  int64_t ids = 0, batch = 1, call = 1, context = 0;
};

/// Feeds tokens to the sequences of one session.
class TokenSession {
public:
  /// `session` is one of the model's module, made with `options.batch` =
  /// `batch`; it may hold restored states. Both must live longer. Nobody else
  /// runs the session meanwhile. Switches it to its last positions only
  /// (hybrid_session_last_only). Throws GenerationError.
  TokenSession(const LanguageModel &model, HybridSession *session,
               int64_t batch);

  /// At most so many tokens per call of the runtime; 0: as many as fit.
  void setChunk(int64_t tokens);

  /// Appends tokens to each of the given sequences (all different): row i of
  /// `ids` [sequences, n], n >= 1, to sequences[i]. Returns the logits after
  /// the last token of each, valid until the next call. Throws CapacityError if
  /// the sequence would become too long (nothing is changed then), else
  /// GenerationError with the runtime's message.
  std::vector<LogitsRow> feed(const std::vector<int64_t> &sequences,
                              const std::vector<int64_t> &ids);

  /// Tokens that a sequence holds.
  int64_t position(int64_t sequence) const;

  /// Empties a sequence.
  void reset(int64_t sequence);

private:
  void checkCall(const std::vector<int64_t> &sequences,
                 const std::vector<int64_t> &ids) const;
  HybridTensor run(const std::vector<int64_t> &sequences, const int64_t *ids,
                   size_t stride, size_t count);
  std::vector<LogitsRow> recompute(const std::vector<int64_t> &sequences,
                                   const std::vector<int64_t> &ids);

  const LanguageModel &model;
  HybridSession *session;
  int64_t batch, chunk;
  std::vector<char> idBytes;
  /// Without states: the tokens of each sequence, and copies of its logits.
  std::vector<std::vector<int64_t>> histories;
  std::vector<std::vector<char>> copies;
};

} // namespace hybrid

#endif // HYBRID_GENERATION_LANGUAGEMODEL_H
