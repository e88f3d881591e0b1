//===- Engine.h - continuous batching over a session's sequences *- C++ -*-===//
//
// One thread owns the session. Each round it gives free slots to waiting
// requests, runs at most one piece of one prompt, and then one token of every
// sequence that is generating, all in one call of the runtime.
//
// Every request gets what it would get alone, to the bit: a row of a call does
// not depend on the other rows, prompts are cut into the same pieces whoever
// else is there, and each has its own sampler.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_SERVING_ENGINE_H
#define HYBRID_LIB_SERVING_ENGINE_H

#include "Mailbox.h"
#include "PrefixCache.h"
#include "hybrid/Generation/LanguageModel.h"

#include <memory>
#include <optional>
#include <thread>

namespace hybrid::serving {

struct EngineOptions {
  int64_t slots = 0;       ///< sequences at once; 0: the model's batch capacity
  int64_t queue = 256;     ///< requests that may wait for a slot
  int64_t prefixSlots = 8; ///< sequences kept for reuse
  int64_t piece = 64;      ///< tokens of a prompt in one call
  int64_t threads = 0;     ///< 0: one per CPU
};

/// A prompt to be continued.
struct EngineRequest {
  std::vector<int64_t> prompt; ///< at least one token
  CompletionOptions options;   ///< of at least one token
};

/// Counts since the start, but for the gauges.
struct EngineMetrics {
  uint64_t accepted = 0, refused = 0;
  uint64_t completed = 0, cancelled = 0, failed = 0; ///< of the accepted
  uint64_t promptTokens = 0;                         ///< of started requests
  uint64_t reusedTokens = 0; ///< of these, those taken from kept prefixes
  uint64_t prefixHits = 0;
  uint64_t generatedTokens = 0;
  uint64_t decodeSteps = 0; ///< calls that ran one token of some sequences
  uint64_t decodeRows = 0;  ///< sequences of these calls, added up
  int64_t slots = 0, busy = 0, waiting = 0; ///< gauges
};

class Engine {
public:
  /// Both must live longer; `tokenizer` may be null: then there is no text.
  /// Throws GenerationError.
  Engine(const LanguageModel &model, const Tokenizer *tokenizer,
         const EngineOptions &options);
  /// Cancels everything.
  ~Engine();

  enum class Admission { Accepted, QueueFull, Closed };

  /// Takes all of the requests or none of them. What becomes of request i is
  /// posted to the mailbox as choice i. Throws GenerationError on a request
  /// that the model cannot serve.
  Admission submit(std::vector<EngineRequest> requests,
                   const std::shared_ptr<Mailbox> &mailbox);

  /// Takes no more requests.
  void close();
  /// Ends all requests with StopReason::Cancelled. To be called after close().
  void cancelAll();

  EngineMetrics metrics() const;
  /// The most requests that submit() can take at once.
  int64_t room() const { return options.slots + options.queue; }

private:
  struct CloseSession {
    void operator()(HybridSession *session) const {
      hybrid_session_close(session);
    }
  };
  using SessionPtr = std::unique_ptr<HybridSession, CloseSession>;

  /// A request that waits or has a slot.
  struct Running {
    std::vector<int64_t> prompt;
    std::shared_ptr<Mailbox> mailbox;
    size_t choice;
    Completion completion;
    uint64_t number = 0; ///< in the order of getting a slot
    bool planned = false;
    PrefixCache::Plan plan = {};
    int64_t fed = 0; ///< tokens of the prompt that the states hold
    size_t told = 0; ///< generated tokens that the client knows

    /// What is to be said now.
    Event news(std::string text, const std::string &error = "");
    bool isPrefilling() const { return fed < int64_t(prompt.size()); }
  };

  void fixOptions();
  void checkRequest(const EngineRequest &request) const;
  SessionPtr makeSession(int64_t batch, int64_t threads) const;
  void makePrefixSessions();

  // On the engine's thread.
  void serve();
  bool admit();
  void dropCancelled();
  void prefill();
  void startPrefill(size_t slot);
  void keepPrefix(size_t slot);
  void decode();
  void decodeRows(const std::vector<int64_t> &rows);
  void takeStep(size_t slot, const LogitsRow &logits);
  void finish(size_t slot, Event event);
  void fail(size_t slot, const std::string &error);
  void purgeQueue();

  const LanguageModel &model;
  const Tokenizer *tokenizer;
  EngineOptions options;
  SessionPtr session;
  std::unique_ptr<TokenSession> tokens;
  std::vector<SessionPtr> prefixSessions;
  int64_t prefixBatch = 1; ///< sequences in each of them
  PrefixCache prefixes;
  std::vector<std::optional<Running>> running;
  uint64_t arrivals = 0;

  mutable std::mutex mutex; ///< guards what follows
  std::condition_variable work;
  std::deque<Running> queue;
  EngineMetrics counts;
  bool closed = false, stopping = false, cancelling = false;

  std::thread thread;
};

} // namespace hybrid::serving

#endif // HYBRID_LIB_SERVING_ENGINE_H
