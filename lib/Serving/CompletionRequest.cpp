//===- CompletionRequest.cpp - what a client asks for ---------------------===//

#include "CompletionRequest.h"

#include "hybrid/Generation/Error.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <random>
#include <set>

using namespace hybrid;
using namespace hybrid::serving;
using Json = nlohmann::json;

static constexpr int maxDepth = 8;
static constexpr size_t maxStops = 16, maxStopBytes = 1024;
static constexpr int64_t defaultTokens = 16; // OpenAI's

std::string ApiError::json() const {
  const char *type = status == 429   ? "rate_limit_error"
                     : status >= 500 ? "server_error"
                                     : "invalid_request_error";
  const auto textOrNull = [](const std::string &text) {
    return text.empty() ? Json() : Json(text);
  };
  const Json document = {{"error",
                          {{"message", what()},
                           {"type", type},
                           {"param", textOrNull(param)},
                           {"code", textOrNull(code)}}}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

[[noreturn]] static void refuse(const std::string &param,
                                const std::string &message) {
  throw ApiError(400, message, param);
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static Json parseDocument(const std::string &body) {
  const auto depthCheck = [](int depth, Json::parse_event_t, Json &) {
    if (depth > maxDepth)
      throw ApiError(400, "the body's JSON is nested too deeply");
    return true;
  };
  Json document;
  try {
    document = Json::parse(body, depthCheck);
  } catch (const Json::exception &error) {
    // "[json.exception.parse_error.101] parse error at …"
    const std::string text = error.what();
    throw ApiError(400,
                   "the body is not JSON: " +
                       text.substr(std::min(text.size(), text.find("] ") + 2)));
  }
  if (!document.is_object())
    throw ApiError(400, "the body must be a JSON object");
  return document;
}

/// What a body may hold.
static const std::set<std::string> knownMembers = {"model",
                                                   "prompt",
                                                   "max_tokens",
                                                   "temperature",
                                                   "top_p",
                                                   "top_k",
                                                   "seed",
                                                   "repetition_penalty",
                                                   "stop",
                                                   "stream",
                                                   "stream_options",
                                                   "echo",
                                                   "return_token_ids",
                                                   "n",
                                                   "best_of",
                                                   "logprobs",
                                                   "suffix",
                                                   "logit_bias",
                                                   "presence_penalty",
                                                   "frequency_penalty",
                                                   "user"};

namespace {

/// The members of the body. A member that is null counts as left out.
class Fields {
public:
  explicit Fields(const Json &object) : object(object) {}

  const Json *find(const char *name) const {
    const auto found = object.find(name);
    return found == object.end() || found->is_null() ? nullptr : &*found;
  }

  bool flag(const char *name) const {
    const Json *value = find(name);
    if (value && !value->is_boolean())
      refuse(name, "'" + std::string(name) + "' must be true or false");
    return value && value->get<bool>();
  }

  int64_t integer(const char *name, int64_t fallback, int64_t least,
                  int64_t most) const {
    const Json *value = find(name);
    if (!value)
      return fallback;
    const bool fits = value->is_number_integer() &&
                      !(value->is_number_unsigned() &&
                        value->get<uint64_t>() > uint64_t(INT64_MAX)) &&
                      value->get<int64_t>() >= least &&
                      value->get<int64_t>() <= most;
    if (!fits)
      refuse(name, "'" + std::string(name) + "' must be an integer from " +
                       std::to_string(least) + " to " + std::to_string(most));
    return value->get<int64_t>();
  }

  double number(const char *name, double fallback, double least, double most,
                const char *range) const {
    const Json *value = find(name);
    if (!value)
      return fallback;
    if (!value->is_number() || !(value->get<double>() >= least) ||
        !(value->get<double>() <= most))
      refuse(name, "'" + std::string(name) + "' must be a number " + range);
    return value->get<double>();
  }

  /// Refuses a feature unless the member has the value that switches it off.
  void mustBeOff(const char *name, const Json &off, const char *why) const {
    const Json *value = find(name);
    if (value && *value != off)
      refuse(name, why);
  }

  void refuseUnknown() const {
    for (const auto &item : object.items())
      if (!knownMembers.count(item.key()))
        refuse(item.key().substr(0, 64),
               "this server does not know '" + item.key().substr(0, 64) + "'");
  }

private:
  const Json &object;
};

//===----------------------------------------------------------------------===//
// Members
//===----------------------------------------------------------------------===//

class Parser {
public:
  Parser(const Json &document, const ServedModel &served)
      : fields(document), served(served) {}

  CompletionRequest parse() {
    fields.refuseUnknown();
    refuseUnsupported();
    checkModel();
    takeStreaming();
    result.returnIds = fields.flag("return_token_ids");
    CompletionOptions options;
    options.eos = served.eos;
    options.sampling = sampling();
    options.stop = stops();
    options.maxTokens =
        fields.integer("max_tokens", std::min(defaultTokens, served.maxTokens),
                       1, served.maxTokens);
    takePrompts(options);
    return std::move(result);
  }

private:
  void refuseUnsupported() const {
    fields.mustBeOff("n", 1,
                     "only n = 1 is supported: send several requests, "
                     "or a list of prompts");
    fields.mustBeOff("best_of", 1, "only best_of = 1 is supported");
    fields.mustBeOff("logprobs", Json(), "logprobs are not supported");
    fields.mustBeOff("suffix", "", "a suffix is not supported");
    fields.mustBeOff("logit_bias", Json::object(),
                     "logit_bias is not supported");
    for (const char *name : {"presence_penalty", "frequency_penalty"})
      fields.mustBeOff(name, 0,
                       "presence_penalty and frequency_penalty are "
                       "not supported; repetition_penalty is");
  }

  void checkModel() const {
    const Json *model = fields.find("model");
    if (!model)
      return;
    if (!model->is_string())
      refuse("model", "'model' must be a string");
    const std::string name = model->get<std::string>();
    if (name != served.name)
      throw ApiError(404,
                     "there is no model '" + name.substr(0, 64) +
                         "' here, only '" + served.name + "'",
                     "model", "model_not_found");
  }

  void takeStreaming() {
    result.stream = fields.flag("stream");
    const Json *options = fields.find("stream_options");
    if (!options)
      return;
    if (!options->is_object())
      refuse("stream_options", "'stream_options' must be an object");
    if (!result.stream)
      refuse("stream_options", "'stream_options' needs stream = true");
    result.includeUsage = Fields(*options).flag("include_usage");
  }

  SamplingParameters sampling() const {
    SamplingParameters values;
    const double temperature =
        fields.number("temperature", 1, 0, 2, "from 0 to 2");
    // Below that the draw is the largest logit but for rounding.
    values.sample = temperature >= 1e-4;
    if (values.sample)
      values.temperature = temperature;
    values.topP = fields.number("top_p", 1, 1e-9, 1, "above 0, at most 1");
    values.topK = fields.integer("top_k", 0, -1, INT32_MAX);
    if (values.topK < 0) // vLLM's word for all
      values.topK = 0;
    values.repetitionPenalty =
        fields.number("repetition_penalty", 1, 1e-3, 1e3, "from 0.001 to 1000");
    values.seed = seed();
    try {
      values.check();
    } catch (const GenerationError &error) {
      refuse("", error.what());
    }
    return values;
  }

  uint64_t seed() const {
    const Json *value = fields.find("seed");
    if (!value) {
      std::random_device random;
      return uint64_t(random()) << 32 | random();
    }
    if (!value->is_number_integer())
      refuse("seed", "'seed' must be an integer of 64 bits");
    return value->is_number_unsigned() ? value->get<uint64_t>()
                                       : uint64_t(value->get<int64_t>());
  }

  std::vector<std::string> stops() const {
    const Json *value = fields.find("stop");
    if (!value)
      return {};
    const Json list = value->is_string() ? Json::array({*value}) : *value;
    if (!list.is_array() || list.size() > maxStops)
      refuse("stop", "'stop' must be a string or a list of at most " +
                         std::to_string(maxStops) + " strings");
    std::vector<std::string> texts;
    for (const Json &item : list) {
      if (!item.is_string() || item.get_ref<const std::string &>().empty() ||
          item.get_ref<const std::string &>().size() > maxStopBytes)
        refuse("stop", "each 'stop' must be a string of 1 to " +
                           std::to_string(maxStopBytes) + " bytes");
      texts.push_back(item.get<std::string>());
    }
    return texts;
  }

  //===--- Prompts --------------------------------------------------------===//

  void takePrompts(const CompletionOptions &options) {
    const Json *prompt = fields.find("prompt");
    if (!prompt)
      refuse("prompt", "'prompt' is missing");
    const bool isEcho = fields.flag("echo");
    if (isEcho && !served.tokenizer)
      refuse("echo", "without a tokenizer there is no text to echo");
    const bool isList =
        prompt->is_array() && !prompt->empty() && !prompt->front().is_number();
    const Json list = isList ? *prompt : Json::array({*prompt});
    if (list.size() > served.maxPrompts)
      refuse("prompt", "'prompt' holds " + std::to_string(list.size()) +
                           " prompts, this server takes at most " +
                           std::to_string(served.maxPrompts) +
                           " in one request");
    for (const Json &item : list) {
      EngineRequest request = {idsOf(item), options};
      checkLength(request);
      result.promptTokens += int64_t(request.prompt.size());
      if (isEcho)
        result.echoes.push_back(item.is_string()
                                    ? item.get<std::string>()
                                    : served.tokenizer->decode(request.prompt));
      result.choices.push_back(std::move(request));
    }
  }

  std::vector<int64_t> idsOf(const Json &prompt) const {
    std::vector<int64_t> ids;
    if (prompt.is_string() && !served.tokenizer) {
      refuse("prompt", "this model has no tokenizer that the server can use: "
                       "give token ids, and 'return_token_ids': true");
    } else if (prompt.is_string()) {
      ids = served.tokenizer->encode(prompt.get_ref<const std::string &>());
    } else if (prompt.is_array()) {
      for (const Json &id : prompt) {
        if (!id.is_number_integer() ||
            (id.is_number_unsigned() &&
             id.get<uint64_t>() > uint64_t(INT64_MAX)))
          refuse("prompt", "'prompt' must hold token ids, all integers");
        ids.push_back(id.get<int64_t>());
      }
    } else {
      refuse("prompt", "'prompt' must be a string, a list of strings, a list "
                       "of token ids, or a list of such lists");
    }
    if (ids.empty())
      refuse("prompt", "the prompt is empty");
    try {
      served.model->checkIds(ids);
    } catch (const GenerationError &error) {
      refuse("prompt", error.what());
    }
    return ids;
  }

  void checkLength(const EngineRequest &request) const {
    const int64_t prompt = int64_t(request.prompt.size());
    const int64_t room = served.model->contextCapacity();
    if (prompt <= room && request.options.maxTokens <= room - prompt)
      return;
    throw ApiError(400,
                   "the prompt has " + std::to_string(prompt) +
                       " tokens and max_tokens is " +
                       std::to_string(request.options.maxTokens) +
                       ", more together than the model's context of " +
                       std::to_string(room),
                   "prompt", "context_length_exceeded");
  }

  Fields fields;
  const ServedModel &served;
  CompletionRequest result;
};

} // namespace

CompletionRequest CompletionRequest::parse(const std::string &body,
                                           const ServedModel &served) {
  const Json document = parseDocument(body);
  return Parser(document, served).parse();
}
