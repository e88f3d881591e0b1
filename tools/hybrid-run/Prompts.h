//===- Prompts.h - what is to be continued ----------------------*- C++ -*-===//

#ifndef HYBRID_TOOLS_RUN_PROMPTS_H
#define HYBRID_TOOLS_RUN_PROMPTS_H

#include "Options.h"

#include <optional>

namespace hybrid {

/// A text or, if there is none, token ids.
struct Prompt {
  std::optional<std::string> text;
  std::vector<int64_t> ids;
};

/// The prompts of --prompt, --prompt-ids or --prompt-file, at least one. Throws
/// ToolError.
std::vector<Prompt> readPrompts(const Options &options);

} // namespace hybrid

#endif // HYBRID_TOOLS_RUN_PROMPTS_H
