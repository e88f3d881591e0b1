//===- Files.h - files and messages for tests -------------------*- C++ -*-===//

#ifndef HYBRID_TEST_GENERATION_FILES_H
#define HYBRID_TEST_GENERATION_FILES_H

#include "hybrid/Generation/Error.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <string>

namespace hybrid::test {

using Json = nlohmann::json;

/// A directory that is removed at the end.
class Directory {
public:
  Directory();
  ~Directory();
  Directory(const Directory &) = delete;
  Directory &operator=(const Directory &) = delete;

  /// Writes a file and returns its path.
  std::string write(const std::string &name, const std::string &text) const;

  std::string path;
};

/// The message of the GenerationError that `action` throws; fails the test and
/// returns "" if it throws none.
std::string errorOf(const std::function<void()> &action);

/// A tokenizer.json: byte b has the id idOf(b), and there are no merges.
Json byteTokenizer(const std::function<int64_t(int)> &idOf);

/// The character that stands for a byte in such a file, in UTF-8.
std::string byteCharacter(int byte);

/// An entry of "added_tokens".
Json addedToken(int64_t id, const std::string &content, bool special,
                bool normalized = false);

} // namespace hybrid::test

#endif // HYBRID_TEST_GENERATION_FILES_H
