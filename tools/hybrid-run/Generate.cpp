//===- Generate.cpp - continues prompts -----------------------------------===//

#include "Commands.h"
#include "Prompts.h"

#include "hybrid/Generation/Completion.h"
#include "hybrid/Generation/Error.h"
#include "hybrid/Generation/GenerationConfig.h"
#include "hybrid/Generation/LanguageModel.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <unistd.h>

using namespace hybrid;

//===----------------------------------------------------------------------===//
// The world outside
//===----------------------------------------------------------------------===//

static volatile std::sig_atomic_t interrupted = 0;

static void interrupt(int) { interrupted = 1; }

/// The first SIGINT ends generation, a second one the process.
static void catchSignals() {
  struct sigaction action = {};
  action.sa_handler = interrupt;
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);
  action = {};
  action.sa_handler = SIG_IGN; // a closed output shows in write()
  sigaction(SIGPIPE, &action, nullptr);
}

/// Standard output, each piece at once. When nobody reads any more, `closed` is
/// set and the rest is dropped. Throws ToolError on other failures.
class DirectOutput {
public:
  void write(const std::string &text) {
    for (size_t at = 0; at < text.size() && !closed;) {
      const ssize_t wrote =
          ::write(STDOUT_FILENO, text.data() + at, text.size() - at);
      if (wrote >= 0)
        at += size_t(wrote);
      else if (errno == EPIPE)
        closed = true;
      else if (errno != EINTR)
        throw ToolError(std::string("cannot write to the standard output: ") +
                        std::strerror(errno));
    }
  }
  bool closed = false;
};

static void note(const std::string &text) {
  std::fprintf(stderr, "hybrid-run: %s\n", text.c_str());
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

/// The command line's parameters over the files'.
static SamplingParameters samplingOf(const Options &options,
                                     SamplingParameters sampling) {
  // Who gives a parameter of the draw wants a draw.
  if (options.topK >= 0 || options.topP || options.temperature)
    sampling.sample = true;
  if (options.topK >= 0)
    sampling.topK = options.topK;
  if (options.topP)
    sampling.topP = *options.topP;
  if (options.temperature == 0.0)
    sampling.sample = false;
  else if (options.temperature)
    sampling.temperature = *options.temperature;
  if (options.repetitionPenalty)
    sampling.repetitionPenalty = *options.repetitionPenalty;
  sampling.seed = uint64_t(options.seed);
  sampling.check();
  return sampling;
}

/// Nothing if only ids are given and no tokenizer fits. Says on standard error
/// what is not obvious.
static std::optional<Tokenizer> tokenizerOf(const Options &options,
                                            const GenerationConfig &config,
                                            const LanguageModel &model,
                                            bool needed) {
  const std::string path =
      options.tokenizer.empty() ? config.tokenizer : options.tokenizer;
  if (!path.empty()) {
    try {
      return Tokenizer::fromFile(path);
    } catch (const GenerationError &error) {
      if (needed || !options.tokenizer.empty())
        throw;
      note(std::string(error.what()) + "; token ids are written");
      return std::nullopt;
    }
  }
  if (!needed)
    return std::nullopt;
  if (model.vocabulary() < 256)
    throw ToolError("there is no tokenizer.json beside the model, and its "
                    "vocabulary of " +
                    std::to_string(model.vocabulary()) +
                    " tokens does not hold the 256 bytes; give --tokenizer or "
                    "--prompt-ids");
  note("there is no tokenizer.json beside the model; each byte of the text is "
       "the token with its value");
  return Tokenizer::bytes();
}

//===----------------------------------------------------------------------===//
// Generator
//===----------------------------------------------------------------------===//

namespace {

/// One prompt and what becomes of it.
struct Job {
  Prompt prompt;
  std::vector<int64_t> ids = {}; ///< the prompt's tokens
  std::unique_ptr<Completion> completion = nullptr;
  std::string unwritten = {}; ///< text that waits for earlier prompts' ends
  std::string error = {}, capacity = {};
  double prefill = 0, decode = 0; ///< milliseconds
  int64_t position = 0;
  bool finished = false;
};

/// The jobs of one command line, several at a time in one session.
class Generator {
public:
  explicit Generator(const Options &options)
      : options(options), module(openModule(options)), model(module.get()),
        config(GenerationConfig::read(options.config.empty()
                                          ? directoryOf(options.model)
                                          : options.config)) {
    for (Prompt &prompt : readPrompts(options))
      jobs.push_back({std::move(prompt)});
    chooseTokenizer();
    parameters.sampling = samplingOf(options, config.sampling);
    parameters.maxTokens = options.maxTokens < 0 ? 128 : options.maxTokens;
    parameters.stop = options.stop;
    if (!options.ignoreEos)
      parameters.eos = config.eos;
    batch = std::min<int64_t>(int64_t(jobs.size()), model.batchCapacity());
    session = createSession(module.get(), options,
                            model.hasStates() ? batch : 0);
    tokens = std::make_unique<TokenSession>(model, session.get(), batch);
    tokens->setChunk(options.prefillChunk);
    keepStates();
  }

  int run() {
    catchSignals();
    generate();
    if (jobs.size() > 1 && !options.json && !out.closed)
      std::fprintf(stderr,
                   "all: %zu prompts, %zu tokens decoded, %.1f ms, %.1f "
                   "tokens/s\n",
                   front, decoded, decodeTime, perSecond(decoded, decodeTime));
    if (!options.snapshot.empty())
      snapshot();
    bool ok = true;
    for (const Job &job : jobs)
      ok &= job.error.empty();
    if (interrupted)
      return 130;
    return ok ? 0 : 1;
  }

private:
  //===--------------------------------------------------------------------===//
  // Start
  //===--------------------------------------------------------------------===//

  void chooseTokenizer() {
    bool needed = !options.stop.empty();
    for (const Job &job : jobs)
      needed |= job.prompt.text.has_value();
    tokenizer = tokenizerOf(options, config, model, needed);
    if (tokenizer)
      config.resolve(*tokenizer);
  }

  void keepStates() {
    if (options.restore.empty() && options.snapshot.empty())
      return;
    if (!model.hasStates())
      throw ToolError("the model has no states that could be restored or "
                      "written");
    if (options.restore.empty())
      return;
    restoreSession(session.get(), options);
    restored = true;
  }

  /// The tokens of a prompt. What a tokenizer puts before a text belongs to the
  /// start of a sequence only.
  std::vector<int64_t> tokensOf(const Prompt &prompt) const {
    std::vector<int64_t> ids =
        prompt.text ? tokenizer->encode(*prompt.text, /*addSpecial=*/!restored)
                    : prompt.ids;
    if (ids.empty() && config.bos && !restored)
      ids.push_back(*config.bos);
    if (ids.empty())
      throw ToolError("the prompt is empty; give at least one token");
    return ids;
  }

  //===--------------------------------------------------------------------===//
  // Loop
  //===--------------------------------------------------------------------===//

  struct Slot {
    int64_t sequence;
    Job *job;
  };

  bool cancelled() const { return interrupted || out.closed; }

  void generate() {
    std::vector<Slot> slots;
    for (int64_t i = 0; i < batch; ++i)
      slots.push_back({i, nullptr});
    size_t next = 0;
    while (true) {
      for (Slot &slot : slots)
        while (!slot.job && next < jobs.size() && !cancelled())
          start(slot, jobs[next++]);
      std::vector<Slot *> active;
      for (Slot &slot : slots)
        if (slot.job)
          active.push_back(&slot);
      if (active.empty() || cancelled())
        break;
      step(active);
    }
    for (Slot &slot : slots)
      if (slot.job)
        finish(slot, StopReason::Cancelled);
  }

  void start(Slot &slot, Job &job) {
    slot.job = &job;
    guarded(slot, [&] {
      job.ids = tokensOf(job.prompt);
      if (!restored)
        tokens->reset(slot.sequence);
      const bool text = tokenizer.has_value();
      job.completion = std::make_unique<Completion>(
          parameters, job.ids, text ? &*tokenizer : nullptr);
      if (options.echo)
        write(job, !text             ? listOf(job.ids)
                   : job.prompt.text ? *job.prompt.text
                                     : tokenizer->decode(job.ids));
      const double begin = milliseconds();
      const auto logits = tokens->feed({slot.sequence}, job.ids);
      job.prefill = milliseconds() - begin;
      if (job.completion->done()) // no token is wanted
        finish(slot, StopReason::Length);
      else
        advance(slot, logits[0]);
    });
  }

  void step(std::vector<Slot *> active) {
    for (Slot *slot : active)
      if (tokens->position(slot->sequence) >= model.contextCapacity())
        full(*slot, "the model was compiled for sequences of " +
                        std::to_string(model.contextCapacity()) + " tokens");
    active.erase(std::remove_if(active.begin(), active.end(),
                                [](Slot *slot) { return !slot->job; }),
                 active.end());
    if (active.empty())
      return;
    std::vector<int64_t> sequences, ids;
    for (Slot *slot : active) {
      sequences.push_back(slot->sequence);
      ids.push_back(slot->job->completion->ids().back());
    }
    std::vector<LogitsRow> logits;
    const double begin = milliseconds();
    try {
      logits = tokens->feed(sequences, ids);
    } catch (const CapacityError &error) {
      // Nothing has changed. Alone, each shows whether it is the one.
      if (active.size() == 1)
        full(*active[0], error.what());
      else
        for (Slot *slot : active)
          step({slot});
      return;
    }
    const double time = milliseconds() - begin;
    decodeTime += time;
    for (size_t i = 0; i < active.size(); ++i) {
      active[i]->job->decode += time;
      ++decoded;
      guarded(*active[i], [&] { advance(*active[i], logits[i]); });
    }
  }

  /// Ends a job whose prompt or logits cannot be used; the others go on.
  template <typename Action>
  void guarded(Slot &slot, Action action) {
    try {
      action();
    } catch (const std::runtime_error &error) {
      if (jobs.size() == 1 || out.closed)
        throw;
      slot.job->error = error.what();
      finish(slot, StopReason::Cancelled);
    }
  }

  void advance(Slot &slot, const LogitsRow &logits) {
    Job &job = *slot.job;
    const std::string text = job.completion->step(logits);
    writeStep(job, text);
    if (job.completion->done())
      finish(slot, job.completion->stopReason());
  }

  void full(Slot &slot, const std::string &why) {
    slot.job->capacity = why;
    finish(slot, StopReason::Capacity);
  }

  void finish(Slot &slot, StopReason reason) {
    Job &job = *slot.job;
    if (job.completion && !job.completion->done())
      write(job, job.completion->stop(reason));
    job.position = tokens->position(slot.sequence);
    job.finished = true;
    slot.job = nullptr;
    for (; front < jobs.size() && jobs[front].finished; ++front)
      conclude(jobs[front]);
  }

  /// The session holds all tokens, the last one, too.
  void snapshot() {
    const Job &job = jobs[0];
    if (!job.completion)
      return;
    const std::vector<int64_t> &ids = job.completion->ids();
    const StopReason reason = job.completion->stopReason();
    if (!ids.empty() && reason == StopReason::Capacity)
      note("the snapshot lacks the last token, for which there is no room");
    else if (!ids.empty())
      tokens->feed({0}, {ids.back()});
    check(hybrid_session_snapshot(session.get(), options.snapshot.c_str()));
  }

  //===--------------------------------------------------------------------===//
  // Output
  //===--------------------------------------------------------------------===//

  static std::string listOf(const std::vector<int64_t> &ids) {
    std::string list;
    for (const int64_t id : ids)
      list += (list.empty() ? "" : ",") + std::to_string(id);
    return list;
  }

  void writeStep(Job &job, const std::string &text) {
    if (tokenizer) {
      write(job, text);
      return;
    }
    const std::vector<int64_t> &ids = job.completion->ids();
    const bool first = ids.size() == 1 && !options.echo;
    write(job, (first ? "" : ",") + std::to_string(ids.back()));
  }

  /// Text of a job comes when those before it have ended.
  void write(Job &job, const std::string &text) {
    if (options.json)
      return;
    if (&job != &jobs[front]) {
      job.unwritten += text;
      return;
    }
    begin(job);
    out.write(text);
  }

  /// The line before a job's text if there are several.
  void begin(Job &job) {
    if (jobs.size() > 1 && begun <= front)
      out.write("==> prompt " + std::to_string(front + 1) + " <==\n");
    begun = front + 1;
    out.write(job.unwritten);
    job.unwritten.clear();
  }

  void conclude(Job &job) {
    if (options.json) {
      const Json json = report(job);
      const int indent = options.promptFile.empty() ? 2 : -1;
      out.write(json.dump(indent, ' ', false, Json::error_handler_t::replace) +
                "\n");
      return;
    }
    begin(job);
    out.write("\n");
    if (!job.error.empty())
      note("error: prompt " + std::to_string(&job - &jobs[0] + 1) + ": " +
           job.error);
    else if (!out.closed)
      summarise(job);
  }

  static double perSecond(size_t count, double time) {
    return time > 0 ? double(count) * 1000 / time : 0;
  }

  /// Tokens that were decoded: the first comes from the prompt's logits.
  static size_t decodedOf(const Job &job) {
    const size_t count = job.completion->ids().size();
    return count ? count - 1 : 0;
  }

  Json report(const Job &job) const {
    Json json;
    if (job.prompt.text)
      json["prompt"] = *job.prompt.text;
    json["prompt_ids"] = job.ids;
    if (!job.error.empty()) {
      json["error"] = job.error;
      json["ok"] = false;
      return json;
    }
    json["ids"] = job.completion->ids();
    if (tokenizer)
      json["text"] = job.completion->text();
    json["stop"] = stopReasonName(job.completion->stopReason());
    if (!job.capacity.empty())
      json["capacity"] = job.capacity;
    json["position"] = job.position;
    const auto part = [](size_t count, double time) {
      return Json{{"tokens", count},
                  {"milliseconds", time},
                  {"tokens_per_second", perSecond(count, time)}};
    };
    json["prefill"] = part(job.ids.size(), job.prefill);
    json["decode"] = part(decodedOf(job), job.decode);
    json["ok"] = true;
    return json;
  }

  std::string reasonText(const Job &job) const {
    switch (job.completion->stopReason()) {
    case StopReason::Eos:
      return "ended by token " + std::to_string(job.completion->ids().back());
    case StopReason::Length:
      return "as many as wanted (-n)";
    case StopReason::StopText:
      return "ended by a stop text";
    case StopReason::Capacity:
      return "the capacity is used up: " + job.capacity;
    case StopReason::Cancelled:
      return "interrupted";
    case StopReason::None:
      break;
    }
    return "";
  }

  void summarise(const Job &job) const {
    std::fprintf(stderr, "prompt: %zu tokens, %.1f ms, %.1f tokens/s\n",
                 job.ids.size(), job.prefill,
                 perSecond(job.ids.size(), job.prefill));
    const size_t count = job.completion->ids().size();
    std::fprintf(stderr, "text: %zu tokens, ", count);
    if (const size_t steps = decodedOf(job))
      std::fprintf(stderr, "%.1f ms, %.1f tokens/s, ", job.decode,
                   perSecond(steps, job.decode));
    std::fprintf(stderr, "%s\n", reasonText(job).c_str());
  }

  const Options &options;
  ModulePtr module;
  LanguageModel model;
  GenerationConfig config;
  std::optional<Tokenizer> tokenizer;
  CompletionOptions parameters;
  std::vector<Job> jobs;
  SessionPtr session;
  std::unique_ptr<TokenSession> tokens;
  DirectOutput out;
  int64_t batch = 1;
  bool restored = false;
  size_t front = 0; ///< the job whose text is being written
  size_t begun = 0; ///< jobs whose text has begun
  double decodeTime = 0;
  size_t decoded = 0;
};

} // namespace

int hybrid::generate(const Options &options) {
  return Generator(options).run();
}
