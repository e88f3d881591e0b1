//===- Serve.cpp - opens the server library -------------------------------===//
//
// The server needs an HTTP library and what that needs, so it lies in a library
// of its own: hybrid-run starts without.
//
//===----------------------------------------------------------------------===//

#include "Commands.h"

#include "hybrid/Serving/Server.h"

#include <dlfcn.h>
#include <filesystem>

using namespace hybrid;

/// The path of a file in this program's directory.
static std::string beside(const char *name) {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? name : (program.parent_path() / name).string();
}

int hybrid::serve(const Options &options) {
  void *library =
      dlopen(beside("libhybrid-server.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    throw ToolError(std::string("--serve needs libhybrid-server.so beside "
                                "hybrid-run, and the Debian package "
                                "libcpp-httplib0.11: ") +
                    dlerror());
  const auto function = reinterpret_cast<HybridServeFunction>(
      dlsym(library, HYBRID_SERVE_SYMBOL));
  if (!function)
    throw ToolError(dlerror());

  const auto pathOrNull = [](const std::string &path) {
    return path.empty() ? nullptr : path.c_str();
  };
  HybridServeOptions serving = {};
  serving.model = options.model.c_str();
  serving.tokenizer = pathOrNull(options.tokenizer);
  serving.config = pathOrNull(options.config);
  serving.host = options.host.empty() ? "127.0.0.1" : options.host.c_str();
  serving.port = int32_t(options.port);
  serving.threads = options.threads;
  serving.slots = options.slots;
  serving.queue = options.queue < 0 ? 256 : options.queue;
  serving.prefix_slots = options.prefixSlots < 0 ? 8 : options.prefixSlots;
  serving.prefill_chunk = options.prefillChunk ? options.prefillChunk : 64;
  serving.max_body = options.maxBody ? options.maxBody : 1 << 20;
  serving.max_tokens = options.maxTokensLimit;
  serving.verify_hashes = options.verifyHashes;
  char error[1024] = "";
  if (function(&serving, error, sizeof(error)))
    throw ToolError(error);
  return 0;
}
