//===- Tokenizer.cpp - encoding and decoding ------------------------------===//

#include "hybrid/Generation/Tokenizer.h"

using namespace hybrid;

Tokenizer Tokenizer::bytes() {
  Tokenizer tokenizer;
  for (int64_t byte = 0; byte < 256; ++byte) {
    tokenizer.idOfByte[byte] = byte;
    tokenizer.bytesOfId[byte] = std::string(1, char(byte));
  }
  return tokenizer;
}

//===----------------------------------------------------------------------===//
// Encoding
//===----------------------------------------------------------------------===//

/// The length of the longest added token at a place of the text, 0 for none.
size_t Tokenizer::matchAdded(const std::string &text, size_t at, size_t end,
                             bool early, int64_t &id) const {
  for (const size_t length : addedLengths[early]) {
    if (length > end - at)
      continue;
    const auto found = added.find(text.substr(at, length));
    if (found == added.end() || found->second.early != early)
      continue;
    id = found->second.id;
    return length;
  }
  return 0;
}

void Tokenizer::encodeBytes(const std::string &text, size_t begin, size_t end,
                            std::vector<int64_t> &ids) const {
  if (begin == end)
    return;
  if (prefixSpace && text[begin] != ' ')
    ids.push_back(idOfByte[' ']);
  for (size_t i = begin; i < end; ++i)
    ids.push_back(idOfByte[static_cast<unsigned char>(text[i])]);
}

/// Splits at the added tokens of one kind; what is between goes on to the next
/// kind, then to bytes.
void Tokenizer::encodePiece(const std::string &text, size_t begin, size_t end,
                            bool early, std::vector<int64_t> &ids) const {
  const auto rest = [&](size_t from, size_t to) {
    if (early)
      encodePiece(text, from, to, /*early=*/false, ids);
    else
      encodeBytes(text, from, to, ids);
  };
  size_t start = begin;
  for (size_t at = begin; at < end;) {
    int64_t id = 0;
    const size_t length = matchAdded(text, at, end, early, id);
    if (!length) {
      ++at;
      continue;
    }
    rest(start, at);
    ids.push_back(id);
    start = at += length;
  }
  rest(start, end);
}

std::vector<int64_t> Tokenizer::encode(const std::string &text,
                                       bool addSpecial) const {
  std::vector<int64_t> ids;
  if (addSpecial)
    ids = prefix;
  encodePiece(text, 0, text.size(), /*early=*/true, ids);
  if (addSpecial)
    ids.insert(ids.end(), suffix.begin(), suffix.end());
  return ids;
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

const std::string &Tokenizer::tokenBytes(int64_t id) const {
  static const std::string none;
  const auto found = bytesOfId.find(id);
  return found == bytesOfId.end() ? none : found->second;
}

std::optional<int64_t> Tokenizer::idOf(const std::string &content) const {
  const auto found = added.find(content);
  if (found == added.end())
    return std::nullopt;
  return found->second.id;
}

std::string Tokenizer::decode(const std::vector<int64_t> &ids,
                              bool withSpecial) const {
  TextDecoder decoder(*this, withSpecial);
  std::string text;
  for (const int64_t id : ids)
    text += decoder.feed(id);
  return text + decoder.finish();
}

std::string TextDecoder::feed(int64_t id) {
  if (!special && tokenizer->isSpecial(id))
    return "";
  return utf8.feed(tokenizer->tokenBytes(id));
}
