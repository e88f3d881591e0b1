//===- Commands.h - what hybrid-run does ------------------------*- C++ -*-===//

#ifndef HYBRID_TOOLS_RUN_COMMANDS_H
#define HYBRID_TOOLS_RUN_COMMANDS_H

#include "Model.h"
#include "Options.h"

namespace hybrid {

/// Each prints its report and returns the exit code. They throw ToolError.
int inspect(const Options &options);
int runAll(const Options &options);
int bench(const Options &options);
int verify(const Options &options);
int generate(const Options &options);
int serve(const Options &options);

/// Prints a JSON document and a newline.
void printJson(const Json &json);

} // namespace hybrid

#endif // HYBRID_TOOLS_RUN_COMMANDS_H
