//===- JsonFile.h - JSON from strangers -------------------------*- C++ -*-===//

#ifndef HYBRID_LIB_GENERATION_JSONFILE_H
#define HYBRID_LIB_GENERATION_JSONFILE_H

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace hybrid {

/// The text of a regular file of at most 64 MiB. Throws GenerationError.
std::string readTextFile(const std::string &path);

/// Parses a document; `name` is for messages. Throws GenerationError on
/// anything but JSON, and on more levels or values than such files have: they
/// bound the memory that a hostile file can take.
nlohmann::json parseJson(const std::string &text, const std::string &name);

/// A member of an object; null if `value` is not an object or has no such
/// member, or if the member is null.
const nlohmann::json *member(const nlohmann::json &value, const char *key);

/// A member that is a text; "" otherwise.
std::string textMember(const nlohmann::json &value, const char *key);

/// A member that is true.
bool isTrue(const nlohmann::json &value, const char *key);

/// A token id, if the value is one: an integer from 0 to 2^31 - 1.
std::optional<int64_t> tokenId(const nlohmann::json &value);

} // namespace hybrid

#endif // HYBRID_LIB_GENERATION_JSONFILE_H
