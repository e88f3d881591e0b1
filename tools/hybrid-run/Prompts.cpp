//===- Prompts.cpp - what is to be continued ------------------------------===//

#include "Prompts.h"
#include "Model.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

using namespace hybrid;

static constexpr size_t maxFileBytes = size_t(64) << 20;

/// Ids separated by commas or spaces.
static std::vector<int64_t> parseIds(const std::string &text) {
  std::vector<int64_t> ids;
  const char *at = text.c_str();
  while (*at) {
    if (*at == ',' || *at == ' ') {
      ++at;
      continue;
    }
    char *end = nullptr;
    errno = 0;
    const long long id = std::strtoll(at, &end, 10);
    if (end == at || errno || id < 0 || id > INT32_MAX)
      throw ToolError("--prompt-ids needs token ids like 1,2,3, not '" + text +
                      "'");
    ids.push_back(id);
    at = end;
  }
  return ids;
}

/// {"prompt": "text"} or {"ids": [1, 2, 3]}.
static Prompt parseJsonLine(const std::string &line, const std::string &where) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  Prompt prompt;
  if (json.is_object() && json.contains("prompt") &&
      json["prompt"].is_string()) {
    prompt.text = json["prompt"].get<std::string>();
    return prompt;
  }
  const bool hasIds =
      json.is_object() && json.contains("ids") && json["ids"].is_array() &&
      std::all_of(json["ids"].begin(), json["ids"].end(), [](const Json &id) {
        return id.is_number_integer() && id >= 0 && id <= INT32_MAX;
      });
  if (!hasIds)
    throw ToolError(where + " starts with '{' but is neither {\"prompt\": "
                            "\"text\"} nor {\"ids\": [1, 2, 3]}");
  prompt.ids = json["ids"].get<std::vector<int64_t>>();
  return prompt;
}

static std::vector<Prompt> readLines(std::istream &file,
                                     const std::string &path) {
  std::vector<Prompt> prompts;
  std::string line;
  size_t bytes = 0;
  for (size_t number = 1; std::getline(file, line); ++number) {
    bytes += line.size() + 1;
    if (bytes > maxFileBytes)
      throw ToolError("'" + path + "' has more than 64 MiB");
    if (!line.empty() && line.back() == '\r')
      line.pop_back();
    if (line.empty())
      continue;
    if (line[0] == '{') {
      prompts.push_back(parseJsonLine(line, "'" + path + "': line " +
                                                std::to_string(number)));
      continue;
    }
    prompts.push_back({line, {}});
  }
  if (prompts.empty())
    throw ToolError("there is no prompt in '" + path + "'");
  return prompts;
}

std::vector<Prompt> hybrid::readPrompts(const Options &options) {
  if (options.prompt)
    return {{*options.prompt, {}}};
  if (options.promptIds)
    return {{std::nullopt, parseIds(*options.promptIds)}};
  if (options.promptFile == "-")
    return readLines(std::cin, "standard input");
  std::ifstream file(options.promptFile);
  if (!file || file.peek() == EOF)
    throw ToolError("cannot read prompts from '" + options.promptFile +
                    "': " + (errno ? std::strerror(errno) : "it is empty"));
  return readLines(file, options.promptFile);
}
