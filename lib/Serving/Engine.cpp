//===- Engine.cpp - continuous batching over a session's sequences --------===//

#include "Engine.h"

#include "hybrid/Generation/Error.h"

#include <algorithm>
#include <cstring>

using namespace hybrid;
using namespace hybrid::serving;

static void check(HybridStatus status) {
  if (status != HYBRID_OK)
    throw GenerationError(hybrid_last_error());
}

/// Whether all of the model's states are caches that can be cut to an earlier
/// length.
static bool hasOnlyCaches(const HybridModule *module) {
  const size_t count = hybrid_module_num_states(module);
  for (size_t i = 0; i < count; ++i) {
    HybridStateInfo state;
    check(hybrid_module_state(module, i, &state));
    if (std::strcmp(state.kind, "kv"))
      return false;
  }
  return count > 0;
}

Engine::Engine(const LanguageModel &model, const Tokenizer *tokenizer,
               const EngineOptions &wanted)
    : model(model), tokenizer(tokenizer), options(wanted),
      prefixes(model.hasStates() ? size_t(wanted.prefixSlots) : 0, wanted.piece,
               hasOnlyCaches(model.module())) {
  fixOptions();
  session = makeSession(options.slots, options.threads);
  tokens.reset(new TokenSession(model, session.get(), options.slots));
  makePrefixSessions();
  running.resize(size_t(options.slots));
  counts.slots = options.slots;
  thread = std::thread([this] { serve(); });
}

Engine::~Engine() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    closed = cancelling = stopping = true;
  }
  work.notify_one();
  thread.join();
}

void Engine::fixOptions() {
  if (options.slots > model.batchCapacity())
    throw GenerationError(
        std::to_string(options.slots) +
        " slots are more than the model was compiled for: " +
        std::to_string(model.batchCapacity()) +
        " (compile it with --max-batch=" + std::to_string(options.slots) + ")");
  if (!options.slots)
    options.slots = model.batchCapacity();
  // Without states each call computes a whole sequence.
  if (!model.hasStates())
    options.piece = INT64_MAX;
}

void Engine::checkRequest(const EngineRequest &request) const {
  const std::vector<int64_t> &prompt = request.prompt;
  if (request.options.maxTokens < 1)
    throw GenerationError("at least one token must be generated");
  if (prompt.empty())
    throw GenerationError("the prompt is empty");
  if (int64_t(prompt.size()) > model.contextCapacity())
    throw GenerationError("the prompt has " + std::to_string(prompt.size()) +
                          " tokens, the model was compiled for " +
                          std::to_string(model.contextCapacity()));
  model.checkIds(prompt);
}

Engine::SessionPtr Engine::makeSession(int64_t batch, int64_t threads) const {
  HybridSessionOptions settings = {};
  settings.batch = batch;
  settings.threads = int32_t(std::min<int64_t>(threads, INT32_MAX));
  HybridSession *created = nullptr;
  check(hybrid_session_create(model.module(), &settings, &created));
  return SessionPtr(created);
}

/// Sessions that only hold states: they never run.
void Engine::makePrefixSessions() {
  int64_t left = int64_t(prefixes.size());
  prefixBatch = std::min(model.batchCapacity(), std::max<int64_t>(left, 1));
  for (; left > 0; left -= prefixBatch)
    prefixSessions.push_back(makeSession(prefixBatch, /*threads=*/1));
}

//===----------------------------------------------------------------------===//
// For any thread
//===----------------------------------------------------------------------===//

Engine::Admission Engine::submit(std::vector<EngineRequest> requests,
                                 const std::shared_ptr<Mailbox> &mailbox) {
  std::vector<Running> fresh;
  for (EngineRequest &request : requests) {
    checkRequest(request);
    Completion completion(request.options, request.prompt, tokenizer);
    fresh.push_back({std::move(request.prompt), mailbox, fresh.size(),
                     std::move(completion)});
  }
  {
    std::lock_guard<std::mutex> lock(mutex);
    purgeQueue();
    if (closed || int64_t(queue.size() + fresh.size()) + counts.busy > room()) {
      counts.refused += fresh.size();
      return closed ? Admission::Closed : Admission::QueueFull;
    }
    for (Running &request : fresh)
      queue.push_back(std::move(request));
    counts.accepted += fresh.size();
  }
  work.notify_one();
  return Admission::Accepted;
}

void Engine::close() {
  std::lock_guard<std::mutex> lock(mutex);
  closed = true;
}

void Engine::cancelAll() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    cancelling = true;
  }
  work.notify_one();
}

EngineMetrics Engine::metrics() const {
  std::lock_guard<std::mutex> lock(mutex);
  EngineMetrics result = counts;
  result.waiting = int64_t(queue.size());
  return result;
}

/// Removes requests that nobody waits for any more. Takes the lock for granted.
void Engine::purgeQueue() {
  const auto isGone = [&](const Running &waiting) {
    if (!cancelling && !waiting.mailbox->cancelled())
      return false;
    waiting.mailbox->post({waiting.choice, "", {}, StopReason::Cancelled, ""});
    ++counts.cancelled;
    return true;
  };
  queue.erase(std::remove_if(queue.begin(), queue.end(), isGone), queue.end());
}

//===----------------------------------------------------------------------===//
// The engine's thread
//===----------------------------------------------------------------------===//

void Engine::serve() {
  while (admit()) {
    dropCancelled();
    prefill();
    decode();
  }
}

/// Gives free slots to waiting requests; sleeps while there is nothing to do.
/// False when all has ended and the engine stops.
bool Engine::admit() {
  std::unique_lock<std::mutex> lock(mutex);
  purgeQueue();
  work.wait(lock, [&] { return counts.busy || !queue.empty() || stopping; });
  for (std::optional<Running> &slot : running) {
    if (queue.empty())
      break;
    if (slot)
      continue;
    slot.emplace(std::move(queue.front()));
    slot->number = arrivals++;
    queue.pop_front();
    ++counts.busy;
  }
  return counts.busy || !queue.empty();
}

void Engine::dropCancelled() {
  bool all;
  {
    std::lock_guard<std::mutex> lock(mutex);
    all = cancelling;
  }
  for (size_t slot = 0; slot < running.size(); ++slot) {
    if (!running[slot] || !(all || running[slot]->mailbox->cancelled()))
      continue;
    running[slot]->completion.stop(StopReason::Cancelled);
    finish(slot, running[slot]->news(""));
  }
}

Event Engine::Running::news(std::string text, const std::string &error) {
  const std::vector<int64_t> &ids = completion.ids();
  Event event = {choice,
                 std::move(text),
                 {ids.begin() + int64_t(told), ids.end()},
                 completion.stopReason(),
                 error};
  told = ids.size();
  return event;
}

/// Frees the slot and posts the request's last event.
void Engine::finish(size_t slot, Event event) {
  const std::shared_ptr<Mailbox> mailbox = running[slot]->mailbox;
  tokens->reset(int64_t(slot));
  running[slot].reset();
  {
    std::lock_guard<std::mutex> lock(mutex);
    --counts.busy;
    ++(!event.error.empty()                    ? counts.failed
       : event.reason == StopReason::Cancelled ? counts.cancelled
                                               : counts.completed);
  }
  mailbox->post(std::move(event));
}

void Engine::fail(size_t slot, const std::string &error) {
  running[slot]->completion.stop(StopReason::Cancelled);
  finish(slot, running[slot]->news("", error));
}

/// Chooses a sequence's next token; the request may end by it.
void Engine::takeStep(size_t slot, const LogitsRow &logits) {
  Running &request = *running[slot];
  Completion &completion = request.completion;
  std::string text;
  try {
    text = completion.step(logits);
    if (!completion.done() &&
        tokens->position(int64_t(slot)) >= model.contextCapacity())
      text += completion.stop(StopReason::Capacity);
  } catch (const GenerationError &error) {
    return fail(slot, error.what());
  }
  {
    std::lock_guard<std::mutex> lock(mutex);
    ++counts.generatedTokens;
  }
  if (completion.done())
    finish(slot, request.news(std::move(text)));
  else if (!text.empty() || !tokenizer)
    request.mailbox->post(request.news(std::move(text)));
}

//===----------------------------------------------------------------------===//
// Prompts
//===----------------------------------------------------------------------===//

/// Runs one piece of the prompt that came first.
void Engine::prefill() {
  size_t first = running.size();
  for (size_t slot = 0; slot < running.size(); ++slot)
    if (running[slot] && running[slot]->isPrefilling() &&
        (first == running.size() ||
         running[slot]->number < running[first]->number))
      first = slot;
  if (first == running.size())
    return;
  Running &request = *running[first];
  if (!request.planned)
    startPrefill(first);
  const int64_t size = int64_t(request.prompt.size());
  const int64_t end = request.fed + std::min(options.piece, size - request.fed);
  LogitsRow logits;
  try {
    logits =
        tokens->feed({int64_t(first)}, {request.prompt.begin() + request.fed,
                                        request.prompt.begin() + end})[0];
  } catch (const GenerationError &error) {
    return fail(first, error.what());
  }
  request.fed = end;
  if (end == request.plan.branch || end == request.plan.lasting)
    keepPrefix(first);
  if (end == size)
    takeStep(first, logits);
}

/// Takes over the states of a kept prefix, if there is one.
void Engine::startPrefill(size_t slot) {
  Running &request = *running[slot];
  request.planned = true;
  request.plan = prefixes.plan(request.prompt);
  const PrefixCache::Hit hit = request.plan.hit;
  if (hit.length) {
    HybridSession *source =
        prefixSessions[hit.entry / size_t(prefixBatch)].get();
    const int64_t from = int64_t(hit.entry) % prefixBatch;
    const bool isLonger =
        hybrid_session_sequence_position(source, from) > hit.length;
    if (hybrid_session_fork_sequence(session.get(), int64_t(slot), source,
                                     from) == HYBRID_OK &&
        (!isLonger || hybrid_session_crop(session.get(), int64_t(slot),
                                          hit.length) == HYBRID_OK)) {
      request.fed = hit.length;
    } else {
      prefixes.drop(hit.entry);
      tokens->reset(int64_t(slot));
    }
  }
  std::lock_guard<std::mutex> lock(mutex);
  counts.promptTokens += request.prompt.size();
  counts.reusedTokens += uint64_t(request.fed);
  counts.prefixHits += request.fed > 0;
}

void Engine::keepPrefix(size_t slot) {
  const Running &request = *running[slot];
  const size_t entry = prefixes.replace();
  HybridSession *keeper = prefixSessions[entry / size_t(prefixBatch)].get();
  if (hybrid_session_fork_sequence(keeper, int64_t(entry) % prefixBatch,
                                   session.get(), int64_t(slot)) == HYBRID_OK)
    prefixes.set(entry, request.prompt, request.fed);
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

void Engine::decode() {
  std::vector<int64_t> rows;
  for (size_t slot = 0; slot < running.size(); ++slot)
    if (running[slot] && !running[slot]->isPrefilling())
      rows.push_back(int64_t(slot));
  if (rows.empty())
    return;
  try {
    decodeRows(rows);
  } catch (const GenerationError &error) {
    // The call has changed nothing. Who is to blame fails alone.
    if (rows.size() == 1)
      return fail(size_t(rows[0]), error.what());
    for (int64_t row : rows)
      try {
        decodeRows({row});
      } catch (const GenerationError &lone) {
        fail(size_t(row), lone.what());
      }
  }
}

/// One token of each of these sequences. Throws if the model cannot run.
void Engine::decodeRows(const std::vector<int64_t> &rows) {
  std::vector<int64_t> ids;
  for (int64_t row : rows)
    ids.push_back(running[size_t(row)]->completion.ids().back());
  const std::vector<LogitsRow> logits = tokens->feed(rows, ids);
  {
    std::lock_guard<std::mutex> lock(mutex);
    ++counts.decodeSteps;
    counts.decodeRows += rows.size();
  }
  for (size_t i = 0; i < rows.size(); ++i)
    takeStep(size_t(rows[i]), logits[i]);
}
