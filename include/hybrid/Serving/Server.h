//===- Server.h - an HTTP server for one model ------------------*- C++ -*-===//
//
// The interface of libhybrid-server.so, which hybrid-run opens when it is asked
// to serve. It is C: the library and its caller have C++ libraries of their
// own.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_SERVING_SERVER_H
#define HYBRID_SERVING_SERVER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct HybridServeOptions {
  const char *model;     ///< path of a `.hyb` file
  const char *tokenizer; ///< path of a tokenizer.json; null: that beside it
  const char *config;    ///< directory of configurations; null: the model's
  const char *host;      ///< address or name to listen on
  int32_t port;          ///< 0: a free one
  int64_t threads;       ///< of the model; 0: one per CPU
  int64_t slots;         ///< sequences at once; 0: the model's batch capacity
  int64_t queue;         ///< requests that may wait
  int64_t prefix_slots;  ///< prompts whose states are kept
  int64_t prefill_chunk; ///< tokens of a prompt in one call
  int64_t max_body;      ///< bytes of a request's body
  int64_t max_tokens;    ///< that a request may ask for; 0: the context
  int32_t verify_hashes; ///< check the weights before serving
} HybridServeOptions;

/// Serves until SIGINT or SIGTERM comes (a second one ends at once); prints one
/// line with the address on stdout when it is ready. Returns 0, or 1 with the
/// reason in `error` (`error_size` bytes, always terminated).
typedef int (*HybridServeFunction)(const HybridServeOptions *options,
                                   char *error, size_t error_size);

#define HYBRID_SERVE_SYMBOL "hybrid_serve"

#ifdef __cplusplus
}
#endif

#endif // HYBRID_SERVING_SERVER_H
