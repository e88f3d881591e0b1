//===- HttpServer.h - OpenAI-style completions over HTTP --------*- C++ -*-===//

#ifndef HYBRID_LIB_SERVING_HTTPSERVER_H
#define HYBRID_LIB_SERVING_HTTPSERVER_H

#include "CompletionRequest.h"
#include "HttpConnection.h"

namespace hybrid::serving {

/// Answers requests with an engine.
class HttpServer {
public:
  /// `served` and `engine` must live longer. At most `connections` clients are
  /// connected at once; others wait.
  HttpServer(const ServedModel &served, Engine &engine,
             const ConnectionLimits &limits, size_t connections);
  ~HttpServer();

  /// Starts to listen, in a thread of its own. Returns the port. Throws
  /// std::runtime_error when the address cannot be had.
  int start(const std::string &host, int port);

  /// Refuses new requests, lets running ones go on for at most `patience`,
  /// cancels the rest, and ends.
  void stop(std::chrono::milliseconds patience);

private:
  class Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace hybrid::serving

#endif // HYBRID_LIB_SERVING_HTTPSERVER_H
