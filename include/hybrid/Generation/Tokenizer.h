//===- Tokenizer.h - text to token ids and back -----------------*- C++ -*-===//
//
// Byte-level tokenizers: each of the 256 bytes is a token, no tokens are
// merged. Special tokens (`<|end|>`) are recognised in text. What is supported
// gives the ids and the text that the Python package `tokenizers` gives; any
// other tokenizer.json is refused with a message, never approximated.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_GENERATION_TOKENIZER_H
#define HYBRID_GENERATION_TOKENIZER_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace hybrid {

class Tokenizer {
public:
  /// Without a file: the id of a byte is its value.
  static Tokenizer bytes();

  /// Reads a tokenizer.json of at most 64 MiB. Throws GenerationError on a file
  /// that cannot be read or is damaged, and on a tokenizer that is not
  /// byte-level; the message names the kind and what can be used instead.
  static Tokenizer fromFile(const std::string &path);

  /// The same from the text of such a file; `name` is for messages.
  static Tokenizer fromJson(const std::string &text, const std::string &name);

  /// The ids of a text (any bytes). With `addSpecial` also the tokens that the
  /// file's post-processor puts before and after a text (as `tokenizers`
  /// does by default).
  std::vector<int64_t> encode(const std::string &text,
                              bool addSpecial = true) const;

  /// The text of the ids as valid UTF-8: U+FFFD in place of each part that is
  /// not. Ids without a token, and special tokens unless `special`, are left
  /// out.
  std::string decode(const std::vector<int64_t> &ids,
                     bool special = false) const;

  /// The bytes of one token, not checked to be UTF-8; empty for an id without a
  /// token.
  const std::string &tokenBytes(int64_t id) const;

  bool isSpecial(int64_t id) const { return special.count(id) != 0; }

  /// The id of a special or added token by its exact text.
  std::optional<int64_t> idOf(const std::string &content) const;

  /// The largest id of a token.
  int64_t largestId() const { return largest; }

private:
  class Reader;
  struct Added {
    int64_t id;
    bool early; ///< looked for before the others
  };

  Tokenizer() = default;
  void encodeBytes(const std::string &text, size_t begin, size_t end,
                   std::vector<int64_t> &ids) const;
  void encodePiece(const std::string &text, size_t begin, size_t end,
                   bool early, std::vector<int64_t> &ids) const;
  size_t matchAdded(const std::string &text, size_t at, size_t end, bool early,
                    int64_t &id) const;

  std::array<int64_t, 256> idOfByte;
  std::unordered_map<int64_t, std::string> bytesOfId;
  std::unordered_set<int64_t> special;
  std::unordered_map<std::string, Added> added;
  /// Lengths of added tokens, longest first; [1]: those looked for early.
  std::vector<size_t> addedLengths[2];
  std::vector<int64_t> prefix, suffix;
  bool prefixSpace = false;
  int64_t largest = 255;
};

/// Makes valid UTF-8 of bytes that come in pieces: holds back a character that
/// is not complete yet, puts U+FFFD in place of each part that cannot become
/// one (Unicode's "maximal subparts").
class Utf8Stream {
public:
  /// The characters that are complete now.
  std::string feed(const std::string &bytes);
  /// The end: U+FFFD if a character has stayed incomplete.
  std::string finish();

private:
  void begin(unsigned char byte, std::string &out);

  std::string pending;
  int missing = 0; ///< bytes until `pending` is complete
  /// The range of the next byte.
  unsigned char least = 0x80, most = 0xbf;
};

/// Decodes ids as they come; the pieces together are Tokenizer::decode of all.
class TextDecoder {
public:
  /// The tokenizer must live longer.
  explicit TextDecoder(const Tokenizer &tokenizer, bool special = false)
      : tokenizer(&tokenizer), special(special) {}

  /// The text that is complete with this token, possibly empty.
  std::string feed(int64_t id);
  /// What was held back.
  std::string finish() { return utf8.finish(); }

private:
  const Tokenizer *tokenizer;
  bool special;
  Utf8Stream utf8;
};

} // namespace hybrid

#endif // HYBRID_GENERATION_TOKENIZER_H
