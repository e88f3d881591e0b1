//===- hybrid-run.cpp - runs compiled models ------------------------------===//

#include "Commands.h"

#include <cstdio>
#include <exception>

using namespace hybrid;

void hybrid::printJson(const Json &json) {
  // Names in error messages may hold bytes that are not UTF-8.
  const std::string text =
      json.dump(2, ' ', false, Json::error_handler_t::replace);
  std::printf("%s\n", text.c_str());
}

static int dispatch(const Options &options) {
  if (options.inspect)
    return inspect(options);
  if (options.bench)
    return bench(options);
  if (options.port >= 0)
    return serve(options);
  if (options.generates())
    return generate(options);
  if (!options.inputs.empty())
    return runAll(options);
  return verify(options);
}

int main(int argc, char **argv) {
  Options options;
  try {
    options = parseOptions(argc, argv);
  } catch (const UsageError &error) {
    std::fprintf(stderr, "hybrid-run: %s (see hybrid-run --help)\n",
                 error.what());
    return 2;
  }
  if (options.help || options.version) {
    std::printf("%s%s", options.help ? helpText : hybrid_version(),
                options.help ? "" : "\n");
    return 0;
  }
  try {
    const int code = dispatch(options);
    if (std::fflush(stdout))
      throw ToolError("cannot write to the standard output");
    return code;
  } catch (const std::exception &error) {
    if (options.json)
      printJson({{"ok", false}, {"error", error.what()}});
    std::fflush(stdout);
    std::fprintf(stderr, "hybrid-run: error: %s\n", error.what());
    return 1;
  }
}
