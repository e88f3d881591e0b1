//===- Server.cpp - loads a model and serves it until a signal comes ------===//

#include "hybrid/Serving/Server.h"

#include "HttpServer.h"
#include "hybrid/Generation/Error.h"
#include "hybrid/Generation/GenerationConfig.h"

#include <csignal>
#include <cstdio>
#include <cstring>

using namespace hybrid;
using namespace hybrid::serving;

/// Connections beyond those that can be served or wait: for questions about
/// health, and for answers that say no.
static constexpr int64_t spareConnections = 32;

/// The most tokens that a request may ask for by default, where the model sets
/// no limit.
static constexpr int64_t mostTokens = 65536;

/// How long running requests may go on after the first signal.
static constexpr std::chrono::seconds shutdownPatience{3};

namespace {

struct CloseModule {
  void operator()(HybridModule *module) const { hybrid_module_close(module); }
};
using ModulePtr = std::unique_ptr<HybridModule, CloseModule>;

/// SIGINT and SIGTERM, taken from all threads that are started meanwhile.
class Signals {
public:
  Signals() {
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
  }
  ~Signals() { release(); }

  void wait() {
    int signal;
    while (sigwait(&signals, &signal))
      continue;
  }
  /// From now on they end the process.
  void release() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }

private:
  sigset_t signals, before;
};

} // namespace

static ModulePtr openModule(const HybridServeOptions &options) {
  HybridModule *module = nullptr;
  if (hybrid_module_open(options.model,
                         options.verify_hashes ? HYBRID_OPEN_VERIFY_WEIGHTS
                                               : HYBRID_OPEN_DEFAULT,
                         &module) != HYBRID_OK)
    throw std::runtime_error(hybrid_last_error());
  return ModulePtr(module);
}

/// "model" for "some/where/model.hyb".
static std::string nameOf(const std::string &path) {
  const std::string file = path.substr(path.rfind('/') + 1);
  const size_t dot = file.rfind('.');
  return dot == std::string::npos || !dot ? file : file.substr(0, dot);
}

/// Nothing, and why, if the file beside the model cannot be used: it can still
/// be asked with token ids.
static std::optional<Tokenizer> tokenizerOf(const HybridServeOptions &options,
                                            const GenerationConfig &config,
                                            std::string &note) {
  if (options.tokenizer)
    return Tokenizer::fromFile(options.tokenizer);
  if (config.tokenizer.empty()) {
    note = "; there is no tokenizer.json: each byte is a token";
    return Tokenizer::bytes();
  }
  try {
    return Tokenizer::fromFile(config.tokenizer);
  } catch (const GenerationError &error) {
    note = std::string("; token ids only: ") + error.what();
    return std::nullopt;
  }
}

static void serve(const HybridServeOptions &options) {
  Signals signals;
  const ModulePtr module = openModule(options);
  const LanguageModel model(module.get());
  GenerationConfig config = GenerationConfig::read(
      options.config ? options.config : directoryOf(options.model));
  std::string note;
  const std::optional<Tokenizer> tokenizer = tokenizerOf(options, config, note);
  if (tokenizer)
    config.resolve(*tokenizer);

  EngineOptions settings;
  settings.threads = options.threads;
  settings.slots = options.slots;
  settings.queue = options.queue;
  settings.prefixSlots = options.prefix_slots;
  settings.piece = options.prefill_chunk;
  Engine engine(model, tokenizer ? &*tokenizer : nullptr, settings);

  ServedModel served;
  served.name = nameOf(options.model);
  served.model = &model;
  served.tokenizer = tokenizer ? &*tokenizer : nullptr;
  served.eos = config.eos;
  served.maxTokens = options.max_tokens
                         ? options.max_tokens
                         : std::min(model.contextCapacity(), mostTokens);
  served.maxPrompts = size_t(engine.room());
  ConnectionLimits limits;
  limits.bodyBytes = size_t(options.max_body);
  HttpServer server(served, engine, limits,
                    size_t(engine.room() + spareConnections));
  const int port = server.start(options.host, options.port);
  const bool isIPv6 = std::strchr(options.host, ':');
  std::printf("serving '%s' at http://%s%s%s:%d/v1 (%lld slots%s)\n",
              served.name.c_str(), isIPv6 ? "[" : "", options.host,
              isIPv6 ? "]" : "", port,
              static_cast<long long>(engine.metrics().slots), note.c_str());
  std::fflush(stdout);
  signals.wait();
  signals.release();
  server.stop(shutdownPatience);
}

extern "C" __attribute__((visibility("default"))) int
hybrid_serve(const HybridServeOptions *options, char *error,
             size_t error_size) {
  try {
    serve(*options);
    return 0;
  } catch (const std::exception &exception) {
    std::snprintf(error, error_size, "%s", exception.what());
    return 1;
  }
}
