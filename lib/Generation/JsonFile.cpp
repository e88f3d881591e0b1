//===- JsonFile.cpp - JSON from strangers ---------------------------------===//

#include "JsonFile.h"

#include "hybrid/Generation/Error.h"
#include "hybrid/Runtime/Artifact.h"
#include "hybrid/Runtime/InputFile.h"

using namespace hybrid;
using nlohmann::json;

static constexpr uint64_t maxBytes = UINT64_C(64) << 20;
static constexpr int maxDepth = 64;
/// The largest tokenizers in use have about 2 million values.
static constexpr size_t maxValues = 8'000'000;

std::string hybrid::readTextFile(const std::string &path) {
  try {
    const InputFile file(path);
    if (file.fileBytes > maxBytes)
      throw GenerationError("'" + path + "' has more than 64 MiB");
    std::string text(file.fileBytes, '\0');
    file.readAt(0, &text[0], text.size());
    return text;
  } catch (const RuntimeError &error) {
    throw GenerationError(error.what());
  }
}

json hybrid::parseJson(const std::string &text, const std::string &name) {
  size_t values = 0;
  const auto limit = [&](int depth, json::parse_event_t, json &) {
    if (depth > maxDepth)
      throw GenerationError("'" + name + "' is nested too deeply");
    if (++values > maxValues)
      throw GenerationError("'" + name + "' has too many values");
    return true;
  };
  try {
    return json::parse(text, limit);
  } catch (const json::exception &error) {
    throw GenerationError("'" + name + "' is not JSON: " + error.what());
  }
}

const json *hybrid::member(const json &value, const char *key) {
  if (!value.is_object())
    return nullptr;
  const auto found = value.find(key);
  return found == value.end() || found->is_null() ? nullptr : &*found;
}

std::string hybrid::textMember(const json &value, const char *key) {
  const json *found = member(value, key);
  return found && found->is_string() ? found->get<std::string>() : "";
}

bool hybrid::isTrue(const json &value, const char *key) {
  const json *found = member(value, key);
  return found && found->is_boolean() && found->get<bool>();
}

std::optional<int64_t> hybrid::tokenId(const json &value) {
  if (value.is_number_unsigned() && value.get<uint64_t>() <= INT32_MAX)
    return value.get<int64_t>();
  if (value.is_number_integer() && !value.is_number_unsigned() &&
      value.get<int64_t>() >= 0 && value.get<int64_t>() <= INT32_MAX)
    return value.get<int64_t>();
  return std::nullopt;
}
