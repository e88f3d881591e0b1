//===- Files.cpp - files and messages for tests ---------------------------===//

#include "Files.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace hybrid;
using namespace hybrid::test;

Directory::Directory() {
  std::string pattern =
      (std::filesystem::temp_directory_path() / "hybrid-XXXXXX").string();
  path = mkdtemp(&pattern[0]);
}

Directory::~Directory() { std::filesystem::remove_all(path); }

std::string Directory::write(const std::string &name,
                             const std::string &text) const {
  const std::string file = path + "/" + name;
  std::ofstream(file, std::ios::binary) << text;
  return file;
}

std::string hybrid::test::errorOf(const std::function<void()> &action) {
  try {
    action();
  } catch (const GenerationError &error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

std::string hybrid::test::byteCharacter(int byte) {
  // Written anew, as ranges, so that a slip in the library's table shows.
  int code = byte;
  if (byte <= 0x20)
    code = 0x100 + byte;
  else if (byte >= 0x7f && byte <= 0xa0)
    code = 0x121 + byte - 0x7f;
  else if (byte == 0xad)
    code = 0x143;
  if (code < 0x80)
    return std::string(1, char(code));
  return {char(0xc0 | code >> 6), char(0x80 | (code & 0x3f))};
}

Json hybrid::test::byteTokenizer(const std::function<int64_t(int)> &idOf) {
  Json vocabulary = Json::object();
  for (int byte = 0; byte < 256; ++byte)
    vocabulary[byteCharacter(byte)] = idOf(byte);
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", Json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "ByteLevel"},
            {"add_prefix_space", false},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"post_processor", nullptr},
          {"decoder",
           {{"type", "ByteLevel"},
            {"add_prefix_space", true},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", vocabulary},
            {"merges", Json::array()}}}};
}

Json hybrid::test::addedToken(int64_t id, const std::string &content,
                              bool special, bool normalized) {
  return {{"id", id},          {"content", content}, {"single_word", false},
          {"lstrip", false},   {"rstrip", false},    {"normalized", normalized},
          {"special", special}};
}
