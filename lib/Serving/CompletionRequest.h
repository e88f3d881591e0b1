//===- CompletionRequest.h - what a client asks for -------------*- C++ -*-===//
//
// From the JSON text of POST /v1/completions to requests for the engine. The
// text comes from strangers: whatever it holds, an ApiError names what is
// wrong.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_SERVING_COMPLETIONREQUEST_H
#define HYBRID_LIB_SERVING_COMPLETIONREQUEST_H

#include "Engine.h"

#include <stdexcept>

namespace hybrid::serving {

/// An answer other than 200.
class ApiError : public std::runtime_error {
public:
  ApiError(int status, const std::string &message,
           const std::string &param = "", const std::string &code = "")
      : std::runtime_error(message), status(status), param(param), code(code) {}

  /// {"error": {…}} as OpenAI's API has it.
  std::string json() const;

  int status; ///< of HTTP
  std::string param, code;
};

/// What is served to whom.
struct ServedModel {
  std::string name;
  const LanguageModel *model = nullptr;
  const Tokenizer *tokenizer = nullptr; ///< null: for token ids only
  std::vector<int64_t> eos;
  int64_t maxTokens = INT64_MAX; ///< that a request may ask for
  size_t maxPrompts = SIZE_MAX;  ///< in one request
};

struct CompletionRequest {
  std::vector<EngineRequest> choices; ///< one per prompt
  std::vector<std::string> echoes;    ///< the prompts' texts, if wanted
  int64_t promptTokens = 0;           ///< of all choices
  bool stream = false, includeUsage = false, returnIds = false;

  /// Throws ApiError.
  static CompletionRequest parse(const std::string &body,
                                 const ServedModel &served);
};

} // namespace hybrid::serving

#endif // HYBRID_LIB_SERVING_COMPLETIONREQUEST_H
